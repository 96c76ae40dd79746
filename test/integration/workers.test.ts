import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import type { Gateway } from "../../src/app/gateway.ts";
import { startSupervisor } from "../../src/app/supervisor.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { type DevBackend, startDevBackend } from "../../src/dev/backend.ts";
import { Gateway as GatewayService } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { createLog } from "../../src/observe/log.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { outcomeOf } from "../support/outcome.ts";
import { receivedSequence } from "../support/received-sequence.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { type Device, login, metric, ROOMY } from "../support/world.ts";

/** A gateway with worker processes: what one process guarantees holds over all of them. */

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: workers need Linux";
const ANY_PORT = { host: "127.0.0.1", port: 0 };
const WORKERS = 3;
const WORKER_COMMAND = [process.execPath, join(import.meta.dir, "../../src/main.ts"), "worker"];
const SMALL = { "replay.entries_max": 10_000, "buckets.entries_max": 10_000, "session_cache.entries_max": 1000 };
const ROUTES: Config["routes"] = [
  { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" },
  { message_type: "chat.message.send", method: "POST", path: "/api/v1/user/rooms/{room}/messages", keep_answer_ms: 600_000 },
];
const WAIT_MS_MAX = 15_000;

let opened = new AsyncDisposableStack();
afterEach(() => opened.disposeAsync());

class Fixture {
  readonly backend: DevBackend;
  readonly gateway: Gateway;
  readonly #lines: readonly string[];
  #sent = 0;

  constructor(backend: DevBackend, gateway: Gateway, lines: readonly string[]) {
    this.backend = backend;
    this.gateway = gateway;
    this.#lines = lines;
  }

  static async open(change: Partial<Config> = {}): Promise<Fixture> {
    opened = new AsyncDisposableStack();
    const backend = await startDevBackend({
      restListen: ANY_PORT,
      pushListen: ANY_PORT,
      database: ":memory:",
      log: SILENT_LOG,
    });
    opened.defer(() => backend.stop());
    const listen = { "edge.listen": ANY_PORT, "grpc.listen": ANY_PORT, "admin.listen": ANY_PORT };
    const wiring = { "backend.url": backend.restUrl, "push.url": backend.pushUrl, "keys.current": SEED, routes: ROUTES };
    const overrides = { ...ROOMY, ...SMALL, ...listen, ...wiring, "log.level": "error" as const, ...change };
    const config = loadConfig({ env: {}, overrides });
    const lines: string[] = [];
    const log = createLog({ level: "debug", format: "json", write: (batch) => void lines.push(batch) });
    const gateway = await startSupervisor({ config, log, workers: WORKERS, workerCommand: WORKER_COMMAND });
    opened.defer(async () => void (await gateway.stop()));
    await until(async () => (await metric(gateway, "sallyport_push_feed_up")) === 1, "the push feed to be up");
    return new Fixture(backend, gateway, lines);
  }

  logged(): string {
    return this.#lines.join("");
  }

  login(email: string): Promise<Device> {
    return login(this.gateway.edgeUrl, this.backend.restUrl, email);
  }

  /** A subscription over its own connection, so that the kernel chooses a worker for it. */
  async subscribe(device: Device, resumeAfter?: string): Promise<EventSubscriber> {
    const transport = createConnectTransport({ baseUrl: this.gateway.edgeUrl, httpVersion: "1.1" });
    const payload = resumeAfter === undefined ? "" : JSON.stringify({ resume_after: resumeAfter });
    const subscriber = await EventSubscriber.open(transport, device, payload);
    opened.defer(() => subscriber.leave());
    return subscriber;
  }

  /** Pushes the next numbers to the user, in order. */
  async send({ userId }: Device, count: number): Promise<void> {
    for (let n = 0; n < count; n++)
      await this.post("push", { user_id: userId, event_type: "test.number", payload: { n: ++this.#sent } });
  }

  async post(path: "push" | "revoke", body: object): Promise<void> {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${this.backend.restUrl}/dev/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    expect(answer.ok).toBe(true);
  }

  /** The streams of each worker. */
  spread(): Promise<number[]> {
    return this.perWorker("sallyport_worker_streams");
  }

  /** The values of a gauge with the label `worker`. */
  perWorker(name: string): Promise<number[]> {
    return Promise.all(Array.from({ length: WORKERS }, (_, worker) => metric(this.gateway, name, `{worker="${worker}"}`)));
  }

  /** Sends a signal to the oldest worker process. */
  signalWorker(signal: NodeJS.Signals): void {
    const children = Bun.spawnSync(["pgrep", "-P", String(process.pid), "-f", "main.ts worker"])
      .stdout.toString()
      .trim()
      .split("\n");
    process.kill(Number(children[0]), signal);
  }
}

function send({ edgeUrl }: Gateway, request: Awaited<ReturnType<Device["signer"]["sign"]>>): Promise<string> {
  const client = createClient(GatewayService, createConnectTransport({ baseUrl: edgeUrl, httpVersion: "1.1" }));
  return outcomeOf(async () => (await client.executeCommand(request)).envelope?.resultCode);
}

const profile = (device: Device) => device.signer.sign("user.profile.get", new Uint8Array());
const isResumed = (subscriber: EventSubscriber) => Object(subscriber.payloads("gateway.server_time")[0]).resumed;

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "with three workers", () => {
  test("of fifty copies of a request, one is admitted", async () => {
    const { gateway, ...fixture } = await Fixture.open();
    const device = await login(gateway.edgeUrl, fixture.backend.restUrl, "ada@example.com");
    for (let round = 0; round < 3; round++) {
      const request = await profile(device);
      const outcomes = await Promise.all(Array.from({ length: 50 }, () => send(gateway, request)));
      expect(outcomes.filter((each) => each === "ok")).toHaveLength(1);
      expect(outcomes.filter((each) => each === "REQUEST_REPLAYED")).toHaveLength(49);
    }
  });

  test("budgets hold over all workers", async () => {
    const fixture = await Fixture.open({ "budgets.user.rate": 0.001, "budgets.user.burst": 10 });
    const device = await fixture.login("ada@example.com");
    const requests = await Promise.all(Array.from({ length: 40 }, () => profile(device)));
    const outcomes = await Promise.all(requests.map((request) => send(fixture.gateway, request)));
    expect(outcomes.filter((each) => each === "ok")).toHaveLength(10);
    expect(outcomes.filter((each) => each === "RATE_LIMITED user")).toHaveLength(30);
  });

  test("every stream on every worker gets each event once and in order", async () => {
    const fixture = await Fixture.open();
    const devices = await Promise.all(["ada", "bob", "eve"].map((name) => fixture.login(`${name}@example.com`)));
    const streams: EventSubscriber[][] = [[], [], []];
    for (let n = 0; n < 24; n++) streams[n % 3]?.push(await fixture.subscribe(devices[n % 3] ?? expect.unreachable()));
    expect((await fixture.spread()).every((count) => count > 0)).toBe(true);
    await Promise.all(devices.map((device) => fixture.send(device, 100)));
    for (const each of streams.flat()) await until(() => receivedSequence(each).length === 100, "100 events", WAIT_MS_MAX);
    for (const ofUser of streams) {
      const [first = expect.unreachable(), ...others] = ofUser.map(receivedSequence);
      expect(first).toEqual([...first].sort((a, b) => Number(a) - Number(b)));
      for (const other of others) expect(other).toEqual(first);
    }
  });

  test("a client resumes at any worker, also after a poll", async () => {
    const fixture = await Fixture.open();
    const device = await fixture.login("ada@example.com");
    let stream = await fixture.subscribe(device);
    for (let n = 1; n <= 10; n++) {
      await fixture.send(device, 1);
      await until(() => receivedSequence(stream).at(-1) === n, `event ${n}`);
      stream.leave();
      await fixture.send(device, 0);
      stream = await fixture.subscribe(device, stream.lastId);
      expect(isResumed(stream)).toBe(true);
    }
    const transport = createConnectTransport({ baseUrl: fixture.gateway.edgeUrl, httpVersion: "1.1" });
    const client = createClient(GatewayService, transport);
    const payload = new TextEncoder().encode(JSON.stringify({ resume_after: stream.lastId, wait_ms: 10_000 }));
    const polled = client.fetchEvents(await device.signer.sign("gateway.fetch", payload));
    await fixture.send(device, 1);
    const { events } = await polled;
    expect(events.map(({ envelope }) => envelope?.eventType)).toEqual(["gateway.server_time", "test.number"]);
  });

  test("a revocation ends the streams on every worker, and no worker admits the session afterwards", async () => {
    const fixture = await Fixture.open();
    const device = await fixture.login("ada@example.com");
    const streams = await Promise.all(Array.from({ length: 12 }, () => fixture.subscribe(device)));
    await fixture.post("revoke", { device_session_id: device.deviceSessionId });
    for (const stream of streams) await until(() => stream.ended !== undefined, "the stream to end");
    expect(new Set(streams.map(({ ended }) => ended))).toEqual(new Set(["SESSION_REVOKED"]));
    const outcomes = await Promise.all(Array.from({ length: 12 }, async () => send(fixture.gateway, await profile(device))));
    expect(new Set(outcomes)).toEqual(new Set(["SESSION_REVOKED"]));
  });

  test("stream limits hold over all workers", async () => {
    const fixture = await Fixture.open({ "streams.per_session_max": 5 });
    const device = await fixture.login("ada@example.com");
    const streams = await Promise.all(Array.from({ length: 12 }, () => fixture.subscribe(device)));
    const refused = streams.filter(({ ended }) => ended === "TOO_MANY_STREAMS");
    expect(refused).toHaveLength(7);
    streams.find(({ ended }) => ended === undefined)?.leave();
    await until(async () => (await fixture.spread()).reduce((sum, count) => sum + count, 0) === 4, "four streams");
    expect((await fixture.subscribe(device)).ended).toBeUndefined();
  });

  test("a killed worker is replaced, and its clients resume at the others", async () => {
    const fixture = await Fixture.open();
    const device = await fixture.login("ada@example.com");
    const streams = await Promise.all(Array.from({ length: 12 }, () => fixture.subscribe(device)));
    await fixture.send(device, 5);
    for (const stream of streams) await until(() => receivedSequence(stream).length === 5, "five events");
    fixture.signalWorker("SIGKILL");
    await until(() => streams.some(({ ended }) => ended !== undefined), "streams of the killed worker to end");
    await fixture.send(device, 5);
    for (const lost of streams.filter(({ ended }) => ended !== undefined)) {
      const resumed = await fixture.subscribe(device, lost.lastId);
      expect(isResumed(resumed)).toBe(true);
      await until(() => receivedSequence(resumed).length === 5, "the five events after the kill");
    }
    await until(
      async () => (await metric(fixture.gateway, "sallyport_worker_restarts_total")) === 1,
      "the restart to be counted",
    );
    const isReady = async () => (await fetch(`${fixture.gateway.adminUrl}/readyz`)).ok;
    await until(isReady, "the new worker to be ready", WAIT_MS_MAX);
    expect(fixture.logged()).toContain('"msg":"worker ended unexpectedly"');
    expect(fixture.logged()).toContain('"signal":"SIGKILL"');
  });

  test("a worker that hangs is reported, and replaced after ten seconds; its clients resume at the others", async () => {
    const fixture = await Fixture.open();
    const device = await fixture.login("ada@example.com");
    const streams = await Promise.all(Array.from({ length: 9 }, () => fixture.subscribe(device)));
    await fixture.send(device, 1);
    await until(() => streams.every((stream) => receivedSequence(stream).length === 1), "the event");
    const readyz = async () => (await fetch(`${fixture.gateway.adminUrl}/readyz`)).text();
    const [before] = await fixture.spread();
    fixture.signalWorker("SIGSTOP");
    const [delay] = await fixture.perWorker("sallyport_worker_event_loop_delay_seconds");
    expect(delay).toBeGreaterThanOrEqual(1);
    const hung = '{"worker":0,"status":"not ready","reasons":["does not respond"]}';
    await until(async () => (await readyz()).includes(hung), "the report", WAIT_MS_MAX);
    const restarts = () => metric(fixture.gateway, "sallyport_worker_restarts_total");
    await until(async () => (await restarts()) === 1, "the end of the worker", WAIT_MS_MAX);
    await until(() => fixture.logged().includes('"killed_because":"it did not respond"'), "the log line");
    expect(fixture.logged()).not.toContain("SIGKILL");
    const cut = () => streams.filter(({ ended }) => ended !== undefined);
    await until(() => cut().length === before, "the end of its streams");
    await until(async () => (await readyz()).startsWith('{"status":"ready"'), "another worker", WAIT_MS_MAX);
    for (const { lastId } of cut()) expect(isResumed(await fixture.subscribe(device, lastId))).toBe(true);
  }, 60_000);

  test("a stop ends every stream with SHUTTING_DOWN, and leaves no process", async () => {
    const fixture = await Fixture.open();
    const device = await fixture.login("ada@example.com");
    const streams = await Promise.all(Array.from({ length: 12 }, () => fixture.subscribe(device)));
    expect(await fixture.gateway.stop()).toBe(true);
    for (const stream of streams) await until(() => stream.ended !== undefined, "the stream to end");
    expect(new Set(streams.map(({ ended }) => ended))).toEqual(new Set(["SHUTTING_DOWN"]));
    expect(Bun.spawnSync(["pgrep", "-P", String(process.pid), "-f", "main.ts worker"]).stdout.toString()).toBe("");
  });

  test("fifty attempts at one command are executed once, and all get the one answer", async () => {
    const fixture = await Fixture.open();
    const device = await fixture.login("ada@example.com");
    const payload = new TextEncoder().encode(JSON.stringify({ room: "lobby", text: "hello" }));
    const attempts = Array.from({ length: 50 }, async () => {
      const request = await device.signer.sign("chat.message.send", payload, { idempotencyKey: "order-0001" });
      const transport = createConnectTransport({ baseUrl: fixture.gateway.edgeUrl, httpVersion: "1.1" });
      const { payloadBytes } = await createClient(GatewayService, transport).executeCommand(request);
      return new TextDecoder().decode(payloadBytes);
    });
    expect(new Set(await Promise.all(attempts)).size).toBe(1);
    expect(await metric(fixture.gateway, "sallyport_answers_total", '{outcome="kept"}')).toBe(1);
  });

  test("the metrics of all workers are added", async () => {
    const fixture = await Fixture.open();
    const device = await fixture.login("ada@example.com");
    const requests = await Promise.all(Array.from({ length: 30 }, () => profile(device)));
    expect(new Set(await Promise.all(requests.map((request) => send(fixture.gateway, request))))).toEqual(new Set(["ok"]));
    expect(await metric(fixture.gateway, "sallyport_request_seconds_count", '{rpc="ExecuteCommand"}')).toBe(30);
    expect(await metric(fixture.gateway, "sallyport_push_feed_up")).toBe(1);
  });

  test("a gateway with workers does not share the port of another one", async () => {
    const { gateway } = await Fixture.open();
    const [first, ...rest] = await Promise.allSettled(
      ["edge.listen", "grpc.listen"].map((key) => {
        const { port } = new URL(key === "edge.listen" ? gateway.edgeUrl : gateway.grpcUrl);
        const taken = { "backend.url": "http://127.0.0.1:9", "push.url": "http://127.0.0.1:9", "keys.current": SEED };
        const listen = { "edge.listen": ANY_PORT, "grpc.listen": ANY_PORT, "admin.listen": ANY_PORT };
        const overrides = { ...SMALL, ...taken, ...listen, [key]: { host: "127.0.0.1", port: Number(port) } };
        const config = loadConfig({ env: {}, overrides });
        return startSupervisor({ config, log: SILENT_LOG, workers: 2, workerCommand: WORKER_COMMAND });
      }),
    );
    for (const outcome of [first, ...rest])
      expect(outcome).toMatchObject({ status: "rejected", reason: { message: expect.stringContaining("the port is in use") } });
  });

  test("each worker has its own gauges, and /readyz names each worker", async () => {
    const fixture = await Fixture.open();
    const device = await fixture.login("ada@example.com");
    const streams = await Promise.all(Array.from({ length: 12 }, () => fixture.subscribe(device)));
    const grpc = createGrpcTransport({ baseUrl: fixture.gateway.grpcUrl });
    await createClient(GatewayService, grpc).executeCommand(await profile(device));
    const connections = (listener: string) => metric(fixture.gateway, "sallyport_connections", `{listener="${listener}"}`);
    await until(async () => (await connections("edge")) >= streams.length, "all connections of the edge", WAIT_MS_MAX);
    await until(async () => (await connections("grpc")) === 1, "the connection of gRPC", WAIT_MS_MAX);
    const byWorker = await fixture.perWorker("sallyport_worker_connections");
    const sum = byWorker.reduce((total, each) => total + each, 0);
    expect(sum).toBeGreaterThan(streams.length);
    expect(sum - (await connections("edge")) - (await connections("grpc"))).toBe(0);
    for (const gauge of ["cpu_seconds", "resident_bytes", "event_loop_delay_seconds"]) {
      const isMeasured = async () => (await fixture.perWorker(`sallyport_worker_${gauge}`)).every((value) => value > 0);
      await until(isMeasured, `${gauge} of each worker`, WAIT_MS_MAX);
    }
    const usable = (calls: string) =>
      metric(fixture.gateway, "sallyport_upstream_addresses", `{upstream="backend",calls="${calls}",state="usable"}`);
    // The supervisor makes session look-ups, but no commands.
    expect([await usable("commands"), await usable("sessions")]).toEqual([WORKERS, WORKERS + 1]);
    const readyz = await fetch(`${fixture.gateway.adminUrl}/readyz`);
    const workers = Array.from({ length: WORKERS }, (_, worker) => ({ worker, status: "ready" }));
    expect(await readyz.json()).toEqual({ status: "ready", workers });
  }, 60_000);

  test("no sum decreases when workers are killed, and the new workers have gauges", async () => {
    const fixture = await Fixture.open();
    const device = await fixture.login("ada@example.com");
    const requests = await Promise.all(Array.from({ length: 30 }, () => profile(device)));
    await Promise.all(requests.map((request) => send(fixture.gateway, request)));
    const calls = () => metric(fixture.gateway, "sallyport_request_seconds_count", '{rpc="ExecuteCommand"}');
    const inBuckets = () => metric(fixture.gateway, "sallyport_request_seconds_bucket", '{rpc="ExecuteCommand",le="+Inf"}');
    const cpu = () => metric(fixture.gateway, "process_cpu_seconds_total");
    const restarts = () => metric(fixture.gateway, "sallyport_worker_restarts_total");
    const started = await metric(fixture.gateway, "process_start_time_seconds");
    const before = await cpu();
    expect(await calls()).toBe(30);
    for (let kill = 1; kill <= WORKERS; kill++) {
      fixture.signalWorker("SIGKILL");
      const isReplaced = async () => {
        expect(await calls()).toBe(30);
        const up = await fixture.perWorker("sallyport_worker_up");
        return (await restarts()) === kill && up.every((each) => each === 1);
      };
      await until(isReplaced, "another worker", WAIT_MS_MAX);
    }
    expect(await inBuckets()).toBe(30);
    expect(await cpu()).toBeGreaterThan(before);
    expect(await metric(fixture.gateway, "process_start_time_seconds")).toBe(started);
  }, 60_000);

  test("a port in use is a clear error, and leaves no process", async () => {
    const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    await expect(Fixture.open({ "edge.listen": { host: "127.0.0.1", port: taken.port } })).rejects.toThrow(
      "the port is in use",
    );
    taken.stop();
    expect(Bun.spawnSync(["pgrep", "-P", String(process.pid), "-f", "main.ts worker"]).stdout.toString()).toBe("");
  });
});
