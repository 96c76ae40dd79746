import type { ConfigKey } from "../../src/config/schema.ts";
import type { Log } from "../../src/core/ports.ts";
import { type DevBackend, startDevBackend } from "../../src/dev/backend.ts";
import { FaultBackend } from "./fault-backend.ts";
import { runCommand } from "./process.ts";
import { until } from "./until.ts";
import { type Device, type FetchFunction, login } from "./world.ts";

const ANY_PORT = { host: "127.0.0.1", port: 0 };
const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** What the gateway's process has used. */
export interface Usage {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

/** `sallyport serve` as a process of its own, before an embedded backend: what it costs can be told from what a test costs. */
export interface GatewayProcess {
  readonly pid: number;
  readonly edgeUrl: string;
  readonly grpcUrl: string;
  readonly backend: DevBackend;
  readonly faults: FaultBackend;
  usage(): Promise<Usage>;
  /** A metric without labels, as it is now. */
  gauge(name: string): Promise<number>;
  /** `fetchEdge`: how the gateway is spoken to, where that matters. */
  login(email?: string, fetchEdge?: FetchFunction): Promise<Device>;
  logged(): string;
  /** As SIGTERM ends it. */
  close(): Promise<void>;
}

/** With the defaults, but for these settings. */
export async function startGatewayProcess(
  settings: Readonly<Partial<Record<ConfigKey, string>>> = {},
  openFilesMax?: number,
): Promise<GatewayProcess> {
  const backend = await startDevBackend({ restListen: ANY_PORT, pushListen: ANY_PORT, database: ":memory:", log: QUIET });
  const faults = new FaultBackend(backend);
  const all: Partial<Record<ConfigKey, string>> = {
    ...{ "edge.listen": "127.0.0.1:0", "grpc.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0" },
    ...{ "backend.url": faults.url, "push.url": backend.pushUrl },
    "keys.current": Buffer.alloc(32, 1).toString("base64"),
    routes: JSON.stringify([{ message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" }]),
    ...settings,
  };
  const flags = Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const command = runCommand(["serve", ...flags], {}, openFilesMax);
  const line = (text: string) =>
    command
      .stdout()
      .split("\n")
      .find((each) => each.includes(text));
  await until(() => line("push feed up") !== undefined, `the gateway to be up: ${command.stderr()}`);
  const { edge, grpc, admin }: { edge: string; grpc: string; admin: string } = JSON.parse(line("gateway started") ?? "{}");
  const gauge = async (name: string) => {
    const text = await (await fetch(`${admin}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)`, "m").exec(text)?.[1]);
  };
  let people = 0;
  return {
    pid: command.pid,
    edgeUrl: edge,
    grpcUrl: grpc,
    backend,
    faults,
    gauge,
    usage: async () => ({
      residentBytes: await gauge("process_resident_memory_bytes"),
      cpuSeconds: await gauge("process_cpu_seconds_total"),
    }),
    login: (email = `person-${people++}@example.com`, fetchEdge) => login(edge, backend.restUrl, email, fetchEdge),
    logged: command.stdout,
    async close() {
      command.kill("SIGTERM");
      await command.exited;
      await Promise.all([faults.stop(), backend.stop()]);
    },
  };
}

/** Budgets that no honest client meets by accident. */
export const ROOMY_BUDGETS = Object.fromEntries(
  ["ip", "session", "user", "failures", "public_auth", "public_misc", "send_code", "confirm_code"].flatMap((name) => [
    [`budgets.${name}.rate`, "100000"],
    [`budgets.${name}.burst`, "100000"],
  ]),
) as Readonly<Partial<Record<ConfigKey, string>>>;
