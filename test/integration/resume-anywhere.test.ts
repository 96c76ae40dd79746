import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type Gateway, startGateway } from "../../src/app/gateway.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import { type DevBackend, startDevBackend } from "../../src/dev/backend.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { Poller, payloadOf } from "../support/poller.ts";
import { runCommand } from "../support/process.ts";
import { type ReceivedSequence, receivedSequence } from "../support/received-sequence.ts";
import { ANY_PORTS, SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, login, metric, ROOMY } from "../support/world.ts";

/** A client resumes at another gateway, and at a gateway that was stopped or killed and started again. The backend runs all the time. */

const ANY_PORT = { host: "127.0.0.1", port: 0 };

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
});

class Fixture {
  readonly backend: DevBackend;
  readonly checkpointFile: string;
  #sent = 0;

  constructor(backend: DevBackend, folder: string) {
    this.backend = backend;
    this.checkpointFile = join(folder, "checkpoint.json");
  }

  static async open(): Promise<Fixture> {
    opened = new AsyncDisposableStack();
    const backend = await startDevBackend({
      restListen: ANY_PORT,
      pushListen: ANY_PORT,
      database: ":memory:",
      log: SILENT_LOG,
    });
    opened.defer(() => backend.stop());
    const folder = await mkdtemp(join(tmpdir(), "sallyport-resume-"));
    opened.defer(() => rm(folder, { recursive: true }));
    return new Fixture(backend, folder);
  }

  async start(change: Partial<Config> = {}): Promise<Gateway> {
    const listen = { "edge.listen": ANY_PORT, "grpc.listen": ANY_PORT, "admin.listen": ANY_PORT };
    const wiring = {
      "backend.url": this.backend.restUrl,
      "push.url": this.backend.pushUrl,
      "keys.current": SEED,
    };
    const config = loadConfig({ env: {}, overrides: { ...ROOMY, ...listen, ...wiring, ...change } });
    const gateway = await startGateway({ config, log: SILENT_LOG });
    opened.defer(async () => void (await gateway.stop()));
    await until(async () => (await metric(gateway, "sallyport_push_feed_up")) === 1, "the push feed to be up");
    return gateway;
  }

  /** Pushes the next numbers to the user, in order. */
  async send({ userId }: Device, count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const body = JSON.stringify({ user_id: userId, event_type: "test.number", payload: { n: ++this.#sent } });
      const pushed = await fetch(`${this.backend.restUrl}/dev/push`, {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      });
      expect(pushed.ok).toBe(true);
    }
  }
}

async function subscribe(url: string, device: Device, resumeAfter?: string): Promise<EventSubscriber> {
  const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1" });
  const payload = resumeAfter === undefined ? "" : JSON.stringify({ resume_after: resumeAfter });
  const subscriber = await EventSubscriber.open(transport, device, payload);
  opened.defer(() => subscriber.leave());
  return subscriber;
}

function isResumed(subscriber: EventSubscriber): unknown {
  const [serverTime] = subscriber.payloads("gateway.server_time");
  return Object(serverTime).resumed;
}

async function receives(subscriber: EventSubscriber, expected: ReceivedSequence): Promise<void> {
  await until(() => receivedSequence(subscriber).length >= expected.length, `${expected.length} events`);
  expect(receivedSequence(subscriber)).toEqual(expected);
}

test("a client that alternates between two gateways resumes every time, even if it only saw heartbeats", async () => {
  const fixture = await Fixture.open();
  const gateways = [
    await fixture.start({ "streams.heartbeat_ms": 1000 }),
    await fixture.start({ "streams.heartbeat_ms": 1000 }),
  ];
  const device = await login(gateways[0]?.edgeUrl ?? "", fixture.backend.restUrl, "ada@example.com");
  let at = await subscribe(gateways[0]?.edgeUrl ?? "", device);
  for (let n = 1; n <= 6; n++) {
    await fixture.send(device, 1);
    await receives(at, [n]);
    if (n % 3 === 0) await until(() => at.events.at(-1)?.envelope?.eventType === "gateway.heartbeat", "a heartbeat");
    at.leave();
    at = await subscribe(gateways[n % 2]?.edgeUrl ?? "", device, at.lastId);
    expect(isResumed(at)).toBe(true);
  }
});

test("a client that polls at two gateways in turn, over all protocols, gets every event once and in order", async () => {
  const fixture = await Fixture.open();
  const gateways = [await fixture.start(), await fixture.start()];
  const device = await login(gateways[0]?.edgeUrl ?? "", fixture.backend.restUrl, "ada@example.com");
  const transports = VARIANTS.map(({ listener, open }, n) => {
    const gateway = gateways[n % 2];
    return open((listener === "edge" ? gateway?.edgeUrl : gateway?.grpcUrl) ?? "");
  });
  const poller = new Poller(transports[0] ?? expect.unreachable(), device);
  const received = (gateway: Gateway) => metric(gateway, "sallyport_events_total", '{kind="client_event"}');
  await poller.poll({ wait_ms: 0 });
  let sent = 0;
  for (const [n, transport] of transports.entries()) {
    await fixture.send(device, n % 3);
    sent += n % 3;
    for (const gateway of gateways) await until(async () => (await received(gateway)) === sent, "the events");
    poller.moveTo(transport);
    const [serverTime] = await poller.poll({ wait_ms: 0 });
    expect(payloadOf(serverTime)).toMatchObject({ resumed: true });
  }
  expect(receivedSequence(poller)).toEqual(Array.from({ length: sent }, (_, n) => n + 1));
});

describe("a gateway with a checkpoint file", () => {
  test("that is stopped and started again resumes its clients, with the events of the time between", async () => {
    const fixture = await Fixture.open();
    const settings = { "history.checkpoint_file": fixture.checkpointFile };
    const first = await fixture.start(settings);
    const device = await login(first.edgeUrl, fixture.backend.restUrl, "ada@example.com");
    const before = await subscribe(first.edgeUrl, device);
    await fixture.send(device, 3);
    await receives(before, [1, 2, 3]);
    const [serverTime] = before.events;
    await first.stop();
    await fixture.send(device, 2);
    const second = await fixture.start(settings);
    const after = await subscribe(second.edgeUrl, device, before.lastId);
    expect(isResumed(after)).toBe(true);
    await receives(after, [4, 5]);
    const whole = await subscribe(second.edgeUrl, device, serverTime?.envelope?.eventId);
    expect(isResumed(whole)).toBe(true);
    await receives(whole, [1, 2, 3, 4, 5]);
    await fixture.send(device, 1);
    await receives(after, [4, 5, 6]);
  });

  test("delivers no event of before the restart to a client that does not resume", async () => {
    const fixture = await Fixture.open();
    const settings = { "history.checkpoint_file": fixture.checkpointFile };
    const first = await fixture.start(settings);
    const device = await login(first.edgeUrl, fixture.backend.restUrl, "ada@example.com");
    const before = await subscribe(first.edgeUrl, device);
    await fixture.send(device, 50);
    await receives(
      before,
      Array.from({ length: 50 }, (_, n) => n + 1),
    );
    await first.stop();
    const second = await fixture.start(settings);
    const after = await subscribe(second.edgeUrl, device);
    await fixture.send(device, 1);
    await receives(after, [51]);
  });

  test("without the file, or with the file of another feed, a client of before the restart gets a resync", async () => {
    const fixture = await Fixture.open();
    const settings = { "history.checkpoint_file": fixture.checkpointFile };
    const first = await fixture.start(settings);
    const device = await login(first.edgeUrl, fixture.backend.restUrl, "ada@example.com");
    const before = await subscribe(first.edgeUrl, device);
    await fixture.send(device, 1);
    await receives(before, [1]);
    await first.stop();
    const stored = await Bun.file(fixture.checkpointFile).text();
    for (const content of ["", "{}", "not JSON", stored.replace(fixture.backend.pushUrl, "http://elsewhere:1")]) {
      await Bun.write(fixture.checkpointFile, content);
      const again = await fixture.start(settings);
      const after = await subscribe(again.edgeUrl, device, before.lastId);
      expect(isResumed(after)).toBe(false);
      await receives(after, ["resync"]);
      await again.stop();
    }
  });

  test("that is killed under load resumes its clients: every event arrives once and in order", async () => {
    const fixture = await Fixture.open();
    const settings = {
      "keys.current": SEED,
      "backend.url": fixture.backend.restUrl,
      "push.url": fixture.backend.pushUrl,
      "history.checkpoint_file": fixture.checkpointFile,
    };
    const flags = [...ANY_PORTS, ...Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`])];
    const start = async () => {
      const gateway = runCommand(["serve", ...flags]);
      opened.defer(() => gateway.kill("SIGKILL"));
      await until(() => gateway.stdout().includes("push feed up"), `the gateway to be up: ${gateway.stderr()}`);
      const line =
        gateway
          .stdout()
          .split("\n")
          .find((each) => each.includes("gateway started")) ?? "{}";
      return { ...gateway, edge: String(JSON.parse(line).edge) };
    };
    let gateway = await start();
    const device = await login(gateway.edge, fixture.backend.restUrl, "ada@example.com");
    const streams = [await subscribe(gateway.edge, device)];
    for (let kill = 1; kill <= 4; kill++) {
      await fixture.send(device, 20);
      const isStored = async () => await Bun.file(fixture.checkpointFile).exists();
      await until(isStored, "the first checkpoint");
      gateway.kill("SIGKILL");
      await gateway.exited;
      await fixture.send(device, 5);
      gateway = await start();
      const next = await subscribe(gateway.edge, device, streams.at(-1)?.lastId);
      expect(isResumed(next)).toBe(true);
      streams.push(next);
    }
    const received = () => streams.flatMap((stream) => receivedSequence(stream));
    await until(() => received().length >= 100, "all events");
    expect(received()).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
    gateway.kill("SIGTERM");
    await gateway.exited;
  });
});
