import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RedisClient } from "bun";
import type { Certificate } from "./certificates.ts";
import { freePorts } from "./free-ports.ts";

const BINARY = Bun.which("redis-server");

/** The reason to skip tests that need Redis; `undefined` if it is installed. */
export const NO_REDIS = BINARY === null ? "redis-server is not installed (apt-get install redis-server)" : undefined;

export interface RedisOptions {
  /** Further lines of `redis.conf`, as arguments: `["--requirepass", "x"]`. */
  readonly args?: readonly string[];
  /** Accepts TLS only, with the certificate `own`. If `clients` is given, client certificates are required. */
  readonly tls?: { readonly own: Certificate; readonly clients?: Certificate };
  /** Additional environment variables of the process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Cluster mode, with one node. */
  readonly isCluster?: boolean;
}

/** A real Redis process. It keeps its port across `kill` and `start`, and loses its data. */
export class TestRedis {
  readonly port: number;
  readonly #folder: string;
  readonly #args: readonly string[];
  readonly #tls: RedisOptions["tls"];
  readonly #env: RedisOptions["env"];
  #process: Bun.Subprocess<"ignore", "pipe", "pipe"> | undefined;

  private constructor([port = 0, busPort = 0]: readonly number[], folder: string, options: RedisOptions) {
    const { args = [], tls, env, isCluster = false } = options;
    this.port = port;
    this.#folder = folder;
    this.#args = [...args, ...(isCluster ? clusterArgs(busPort) : []), ...(tls === undefined ? [] : tlsArgs(port, tls))];
    this.#tls = tls;
    this.#env = env;
  }

  static async start(options: RedisOptions = {}): Promise<TestRedis> {
    const redis = new TestRedis(await freePorts(2), await mkdtemp(join(tmpdir(), "sallyport-redis-")), options);
    await redis.start();
    return redis;
  }

  get url(): string {
    return `${this.#tls === undefined ? "redis" : "rediss"}://127.0.0.1:${this.port}`;
  }

  /** The round trips of gateways during `run`, by the server's command statistics, without the commands that scripts call. */
  async roundTripsOf(run: () => Promise<void>): Promise<number> {
    const before = await this.#roundTrips();
    await run();
    // Reading the statistics costs one HELLO.
    return (await this.#roundTrips()) - before - 1;
  }

  async #roundTrips(): Promise<number> {
    const stats = String(await this.ask("INFO", "commandstats"));
    const calls = (command: string) => Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, "m").exec(stats)?.[1] ?? 0);
    const commands = ["evalsha", "eval", "script\\|load", "hello", "ping", "client\\|setinfo"];
    // The once-a-second check is the only script with HGETALL (store-epoch.ts); it is not counted.
    return commands.reduce((sum, command) => sum + calls(command), 0) - calls("hgetall");
  }

  /** Sends one command over a new connection. */
  async ask(command: string, ...args: string[]): Promise<unknown> {
    const { own, clients = own } = this.#tls ?? {};
    const tls = own && { ca: own.certificate, cert: clients?.certificate, key: clients?.key };
    const client = new RedisClient(this.url, tls && { tls });
    try {
      return await client.send(command, args);
    } finally {
      client.close();
    }
  }

  async start(): Promise<void> {
    const fixed = [
      "--port",
      String(this.port),
      "--bind",
      "127.0.0.1",
      "--dir",
      this.#folder,
      "--save",
      "",
      "--appendonly",
      "no",
    ];
    const child = Bun.spawn([BINARY ?? "redis-server", ...fixed, ...this.#args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ...this.#env },
    });
    this.#process = child;
    await readyToAccept(child.stdout);
  }

  /** Kills the process with SIGKILL. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
  }

  /** Stops the process with SIGSTOP: connections stay open, commands get no reply. */
  suspend(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** `tls-auth-clients` is `yes` by default. */
function tlsArgs(port: number, { own, clients }: NonNullable<RedisOptions["tls"]>): string[] {
  const files = ["--tls-cert-file", own.certificateFile, "--tls-key-file", own.keyFile];
  const authority = ["--tls-ca-cert-file", (clients ?? own).certificateFile];
  const wanted = ["--tls-auth-clients", clients === undefined ? "no" : "yes"];
  return ["--port", "0", "--tls-port", String(port), ...files, ...authority, ...wanted];
}

async function readyToAccept(stdout: ReadableStream<Uint8Array>): Promise<void> {
  const decoder = new TextDecoder();
  const reader = stdout.getReader();
  let output = "";
  while (!output.includes("Ready to accept connections")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`redis-server did not start: ${output}`);
    output += decoder.decode(value, { stream: true });
  }
  // Drain the pipe, or the process blocks when it is full.
  reader.releaseLock();
  void stdout.pipeTo(new WritableStream()).catch(() => {});
}

/** The default port of the cluster bus, port + 10000, may be in use or above 65535. */
function clusterArgs(busPort: number): string[] {
  return ["--cluster-enabled", "yes", "--cluster-port", String(busPort)];
}
