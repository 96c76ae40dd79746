import type { Transport } from "@connectrpc/connect";
import type { Gateway } from "../../src/app/gateway.ts";
import { type ExportableDeviceKey, generateExportableDeviceKey } from "../../src/client/device-key.ts";
import { confirmEmailCode } from "../../src/client/login.ts";
import { RequestSigner } from "../../src/client/request-signer.ts";
import type { Config } from "../../src/config/schema.ts";
import { EMAIL_LOGIN } from "../../src/core/public-routes.ts";
import { type DevBackend, startDevBackend } from "../../src/dev/backend.ts";
import { DEV_ROUTES } from "../../src/dev/user-api.ts";
import { type EmailCode, requestEmailCode } from "./email-code.ts";
import { type Es256Device, type Es256DeviceKey, loginEs256 } from "./es256-device.ts";
import { FaultBackend } from "./fault-backend.ts";
import { CONFIGURED_LOGIN } from "./login-paths.ts";
import { SILENT_LOG } from "./silent-log.ts";
import { startTestGateway, type TestGatewayOptions } from "./test-gateway.ts";
import { until } from "./until.ts";
import type { TlsTrust, Variant } from "./variants.ts";

const ANY_PORT = { host: "127.0.0.1", port: 0 };

/** Routes that the embedded backend does not serve. Tests answer them with `faults`. */
const FAULT_ROUTES = [
  { message_type: "test.down", method: "GET", path: "/api/v1/user/test/down" },
  { message_type: "test.slow", method: "POST", path: "/api/v1/user/test/slow", timeout_ms: 100 },
  { message_type: "test.wait", method: "POST", path: "/api/v1/user/test/wait" },
  { message_type: "test.broken", method: "GET", path: "/api/v1/user/test/broken" },
  { message_type: "test.limited", method: "GET", path: "/api/v1/user/profile", budget: { rate: 0.01, burst: 1 } },
] as const;

const ROWS = [...EMAIL_LOGIN, ...CONFIGURED_LOGIN];

/** Budgets and stream limits that only a flood exhausts. A session may have a stream of every variant, several times. */
export const ROOMY = Object.fromEntries([
  ...["ip", "session", "user", "failures", "public_auth", "public_misc", "send_code", "confirm_code"].flatMap((name) => [
    [`budgets.${name}.rate`, 100_000],
    [`budgets.${name}.burst`, 100_000],
  ]),
  ["streams.per_session_max", 64],
]) as Partial<Config>;

/** A logged-in device. */
export interface Device {
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly deviceKey: ExportableDeviceKey;
  readonly signer: RequestSigner;
}

/** A running gateway with its backend, over real connections. */
export interface World {
  readonly gateway: Gateway;
  /** The gateway's configuration. */
  readonly config: Config;
  readonly backend: DevBackend;
  readonly faults: FaultBackend;
  /** The log lines so far. */
  readonly logged: () => string;
  /** A transport of this variant to the listener that serves it. */
  transport(variant: Variant): Transport;
  login(email?: string): Promise<Device>;
  /** Logs a device in with an ES256 key: `deviceKey`, or a random one. */
  loginEs256(deviceKey?: Es256DeviceKey): Promise<Es256Device>;
  /** Starts a login of a new user, and reads its code. */
  emailCode(): Promise<EmailCode>;
  push(event: { user_id?: string; device_session_id?: string; event_type: string; payload: unknown }): Promise<void>;
  revoke(target: { user_id?: string; device_session_id?: string }): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions extends TestGatewayOptions {
  readonly tls?: TlsTrust | undefined;
}

export async function openWorld(overrides: Partial<Config> = {}, options: WorldOptions = {}): Promise<World> {
  const backend = await startDevBackend({ restListen: ANY_PORT, pushListen: ANY_PORT, database: ":memory:", log: SILENT_LOG });
  const faults = new FaultBackend(backend);
  const wiring = {
    "edge.listen": ANY_PORT,
    "grpc.listen": ANY_PORT,
    "admin.listen": ANY_PORT,
    "backend.url": faults.url,
    "push.url": backend.pushUrl,
  };
  const routes = [...DEV_ROUTES, ...FAULT_ROUTES];
  const defaults = { ...ROOMY, routes, public_routes: ROWS, "push.backoff_min_ms": 10, ...wiring };
  const started = await startTestGateway({ ...defaults, ...overrides }, options);
  const { gateway, config, logged } = started;
  await until(async () => (await metric(gateway, "sallyport_push_feed_up")) === 1, "the push feed to be up");
  let logins = 0;
  return {
    gateway,
    config,
    backend,
    faults,
    logged,
    transport: ({ listener, open }) => open(listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl, options.tls),
    login: (email = `person-${logins++}@example.com`) => login(gateway.edgeUrl, backend.restUrl, email, fetchOver(options.tls)),
    loginEs256: (deviceKey) =>
      loginEs256({
        ...{ baseUrl: gateway.edgeUrl, backendUrl: backend.restUrl, email: `person-${logins++}@example.com`, deviceKey },
        fetch: fetchOver(options.tls),
      }),
    emailCode: () =>
      requestEmailCode(gateway.edgeUrl, backend.restUrl, `person-${logins++}@example.com`, fetchOver(options.tls)),
    push: (event) => post(`${backend.restUrl}/dev/push`, event),
    revoke: (target) => post(`${backend.restUrl}/dev/revoke`, target),
    async close() {
      await started.stop();
      await Promise.all([faults.stop(), backend.stop()]);
    },
  };
}

/** Opens a world, runs `run` in it, and closes it, even if `run` throws. */
export async function withWorld<T>(
  overrides: Partial<Config>,
  run: (world: World) => T | Promise<T>,
  options?: Parameters<typeof openWorld>[1],
): Promise<T> {
  const world = await openWorld(overrides, options);
  try {
    return await run(world);
  } finally {
    await world.close();
  }
}

/** fetch that trusts the test's certificates. */
export function fetchOver(tls: TlsTrust | undefined): FetchFunction {
  return (input, init) => fetch(input, { ...init, ...(tls && { tls }) });
}

export type FetchFunction = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Logs a device in with the code from the embedded backend's outbox. */
export async function login(
  baseUrl: string,
  backendUrl: string,
  email: string,
  fetchEdge: FetchFunction = fetch,
): Promise<Device> {
  const deviceKey = await generateExportableDeviceKey();
  const { challengeId, code } = await requestEmailCode(baseUrl, backendUrl, email, fetchEdge);
  const credentials = await confirmEmailCode({ baseUrl, challengeId, code, deviceKey, fetch: fetchEdge });
  const { deviceSessionId } = credentials;
  const record: { user_id: string } = await (await fetch(`${backendUrl}/api/v1/internal/sessions/${deviceSessionId}`)).json();
  return { deviceSessionId, userId: record.user_id, deviceKey, signer: new RequestSigner(credentials) };
}

async function post(url: string, body: unknown): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
}

/** A metric from the admin listener: the value with exactly these labels, or the sum over all labels. 0 if it is absent. */
export async function metric(gateway: Pick<Gateway, "adminUrl">, name: string, labels?: string): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const matches = (line: string) =>
    labels === undefined ? line.startsWith(`${name} `) || line.startsWith(`${name}{`) : line.startsWith(`${name}${labels} `);
  return text
    .split("\n")
    .filter(matches)
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
