import { join } from "node:path";
import { until } from "../support/until.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");

/** `sallyport serve` in its own process, so that its memory is what an operator sees. */
export interface Served {
  readonly pid: number;
  readonly edgeUrl: string;
  readonly grpcUrl: string;
  readonly adminUrl: string;
  /** Resident memory, in megabytes. */
  residentMb(): Promise<number>;
  /** The peak of resident memory so far, in megabytes. */
  peakMb(): Promise<number>;
  stop(): Promise<void>;
}

/** A stop is immediate: without these settings, `serve` drains first. */
const QUICK_STOP = { "shutdown.drain_ms": "0", "shutdown.spread_ms": "0" };

export interface ServeOptions {
  /** The command line of the gateway, without `serve`. Default: the source. */
  readonly command?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export async function serve(
  settings: Readonly<Record<string, string>>,
  { command = [process.execPath, MAIN], env = {} }: ServeOptions = {},
): Promise<Served> {
  const flags = Object.entries({ ...QUICK_STOP, ...settings }).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const child = Bun.spawn([...command, "serve", ...flags], {
    stdout: "pipe",
    stderr: "inherit",
    env: { ...process.env, ...env },
  });
  const { edge, grpc, admin } = await addressesIn(child.stdout);
  await until(async () => (await fetch(`${admin}/readyz`)).ok, "the gateway to be ready");
  return {
    pid: child.pid,
    edgeUrl: edge,
    grpcUrl: grpc,
    adminUrl: admin,
    residentMb: () => megabytes(child.pid, "VmRSS"),
    peakMb: () => megabytes(child.pid, "VmHWM"),
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

interface Addresses {
  readonly edge: string;
  readonly grpc: string;
  readonly admin: string;
}

/** The addresses in the gateway's start message. The rest of its log is discarded. */
async function addressesIn(log: ReadableStream<Uint8Array>): Promise<Addresses> {
  const { promise, resolve, reject } = Promise.withResolvers<Addresses>();
  const read = async () => {
    const decoder = new TextDecoder();
    let begun: string | undefined = "";
    for await (const chunk of log) {
      if (begun === undefined) continue;
      begun += decoder.decode(chunk, { stream: true });
      const line = begun.split("\n").find((each) => each.includes('"gateway started"'));
      if (line === undefined) continue;
      begun = undefined;
      resolve(JSON.parse(line));
    }
    reject(new Error("the gateway ended"));
  };
  read().catch(reject);
  return promise;
}

/** A size from Linux's /proc/<pid>/status. */
async function megabytes(pid: number, name: string): Promise<number> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  return Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(status)?.[1]) / 1000;
}
