import type { ConfigKey } from "../../src/config/schema.ts";
import { type DevBackend, startDevBackend } from "../../src/dev/backend.ts";
import { FaultBackend } from "./fault-backend.ts";
import { runCommand } from "./process.ts";
import { SILENT_LOG } from "./silent-log.ts";
import { TEST_WORKERS } from "./test-gateway.ts";
import { until } from "./until.ts";
import { type Device, type FetchFunction, login } from "./world.ts";

const START_MS_MAX = 30_000;
const ANY_PORT = { host: "127.0.0.1", port: 0 };

/** Memory and CPU time of the gateway's process. */
export interface Usage {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

/** `sallyport serve` in its own process, with an embedded backend. So its memory and CPU time are measured without those of the test. */
export interface GatewayProcess {
  readonly pid: number;
  readonly edgeUrl: string;
  readonly grpcUrl: string;
  readonly adminUrl: string;
  /** Resolves to the exit code. */
  readonly exited: Promise<number>;
  readonly backend: DevBackend;
  readonly faults: FaultBackend;
  usage(): Promise<Usage>;
  /** The current value of a metric without labels. */
  gauge(name: string): Promise<number>;
  /** Logs a device in. `fetchEdge` replaces fetch for requests to the gateway. */
  login(email?: string, fetchEdge?: FetchFunction): Promise<Device>;
  logged(): string;
  /** Stops the gateway with SIGTERM, then the backend. */
  close(): Promise<void>;
}

/** Starts with the default settings except for those given. */
export async function startGatewayProcess(
  settings: Readonly<Partial<Record<ConfigKey, string>>> = {},
  openFilesMax?: number,
): Promise<GatewayProcess> {
  const backend = await startDevBackend({ restListen: ANY_PORT, pushListen: ANY_PORT, database: ":memory:", log: SILENT_LOG });
  const faults = new FaultBackend(backend);
  const all: Partial<Record<ConfigKey, string>> = {
    ...{ "edge.listen": "127.0.0.1:0", "grpc.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0" },
    ...{ "backend.url": faults.url, "push.url": backend.pushUrl },
    "keys.current": Buffer.alloc(32, 1).toString("base64"),
    routes: JSON.stringify([{ message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" }]),
    "workers.count": String(TEST_WORKERS),
    ...settings,
  };
  const flags = Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const command = runCommand(["serve", ...flags], {}, openFilesMax);
  const line = (text: string) =>
    command
      .stdout()
      .split("\n")
      .find((each) => each.includes(text));
  await until(() => line("push feed up") !== undefined, `the gateway to be up: ${command.stderr()}`, START_MS_MAX);
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
    adminUrl: admin,
    exited: command.exited,
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

/** Budgets that only a flood exhausts. */
export const ROOMY_BUDGETS = Object.fromEntries(
  ["ip", "session", "user", "failures", "public_auth", "public_misc", "send_code", "confirm_code"].flatMap((name) => [
    [`budgets.${name}.rate`, "100000"],
    [`budgets.${name}.burst`, "100000"],
  ]),
) as Readonly<Partial<Record<ConfigKey, string>>>;
