import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGateway } from "../../src/app/gateway.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { GatewayEvent } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { createLog } from "../../src/observe/log.ts";
import { BackendProcess } from "../support/backend-process.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { freePorts } from "../support/free-ports.ts";
import { PUSH_TOKEN } from "../support/publishing-world.ts";
import { gapsWithoutResync, lastNumber, outOfSequence, receivedSequence } from "../support/received-sequence.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { RoamingClient } from "../support/roaming-client.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, login, metric, ROOMY } from "../support/world.ts";

/**
 * The backend is a process that is killed under load, and loads its state from a file when it starts again. Its log of pushed events is part
 * of the file, or is empty after each start (`forgetsLog`): then no cursor can be resumed.
 */

const RESTARTS = 50;
/** Restarts with the other push sources. `SALLYPORT_PUSH_KILLS` sets the number. */
const OTHER_RESTARTS = Number(process.env["SALLYPORT_PUSH_KILLS"] ?? 10);
/** Long enough for a machine that is busy with other tests. */
const WAIT_MS_MAX = 15_000;
const ANY_PORT = { host: "127.0.0.1", port: 0 };

let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
});

type Source = "feed" | "http" | "redis";

/** The settings of a push source that the backend process publishes to, and the private listener for it. */
async function openSource(source: Source) {
  if (source === "feed") return { settings: {}, forwardTo: undefined };
  const [port = 0] = await freePorts(1);
  const forwardTo = { publishUrl: `http://127.0.0.1:${port}`, token: PUSH_TOKEN };
  const listen = { host: "127.0.0.1", port };
  const settings = { "push.source": source, "push.url": undefined, "push.token": PUSH_TOKEN, "push.listen": listen };
  if (source === "http") return { settings, forwardTo };
  const redis = await TestRedis.start();
  opened.defer(() => redis.close());
  return { settings: { ...settings, "push.redis.url": redis.url }, forwardTo };
}

/** A gateway, and a backend process that can be killed. */
async function openFixture(forgetsLog: boolean, source: Source = "feed") {
  opened = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "sallyport-feed-"));
  opened.defer(() => rm(directory, { recursive: true }));
  const { settings, forwardTo } = await openSource(source);
  const backend = await BackendProcess.start({ database: join(directory, "backend.sqlite"), forgetsLog, forwardTo });
  opened.defer(() => backend.close());
  const listen = { "edge.listen": ANY_PORT, "grpc.listen": ANY_PORT, "admin.listen": ANY_PORT };
  const wiring = { "backend.url": backend.restUrl, "push.url": backend.pushUrl };
  const quick = { "push.backoff_min_ms": 1, "push.backoff_max_ms": 20 };
  const config = loadConfig({ env: {}, overrides: { ...ROOMY, ...listen, ...wiring, ...quick, ...settings } });
  const gateway = await startGateway({ config, log: createLog({ level: "error", format: "json", write() {} }) });
  opened.defer(async () => void (await gateway.stop()));
  const isUp = async () => (await metric(gateway, "sallyport_push_feed_up")) === 1;
  await until(isUp, "the push feed to be up");
  let logins = 0;
  return {
    backend,
    /** Whether the feed is down while the backend is down. */
    isFeedOfBackend: source === "feed",
    metric: (name: string) => metric(gateway, name),
    login: () => login(gateway.edgeUrl, backend.restUrl, `person-${logins++}@example.com`),
    transport: ({ listener, open }: (typeof VARIANTS)[number]) => open(listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl),
  };
}
type Fixture = Awaited<ReturnType<typeof openFixture>>;

/**
 * Sends numbers in order as chat messages to all users, each until the backend acknowledges it. An acknowledged message is committed: the
 * kernel has the write, so a SIGKILL does not lose it. A message that was cut off may or may not be in the log; it is sent again with the
 * same Idempotency-Key, which the backend accepts once.
 */
class NumberSender {
  acknowledged = 0;
  readonly #url: string;
  readonly #userId: string;
  #isDone = false;
  readonly #sending: Promise<void>;

  constructor({ backend }: Fixture, { userId }: Device) {
    this.#url = `${backend.restUrl}/api/v1/user/rooms/lobby/messages`;
    this.#userId = userId;
    this.#sending = this.#run();
  }

  /** Resolves after four more acknowledged messages. */
  async progress(): Promise<void> {
    const before = this.acknowledged;
    await until(() => this.acknowledged > before + 3, "four more messages", WAIT_MS_MAX);
  }

  /** Stops sending. Returns how many numbers were sent. */
  async stop(): Promise<number> {
    this.#isDone = true;
    await this.#sending;
    return this.acknowledged;
  }

  async #run(): Promise<void> {
    while (!this.#isDone) {
      const status = await this.#send(String(this.acknowledged)).catch(() => "cut off");
      if (status === 201) this.acknowledged++;
      else if (status !== "cut off") throw new Error(`the backend answered ${status}`);
      await Bun.sleep(3);
    }
  }

  async #send(text: string): Promise<number> {
    const headers = { "content-type": "application/json", "x-user-id": this.#userId, "idempotency-key": text };
    return (await fetch(this.#url, { method: "POST", body: JSON.stringify({ text }), headers })).status;
  }
}

/** The variants of the roaming clients. */
const ROAMING_VARIANTS = VARIANTS.filter(({ name }) =>
  ["Connect proto over HTTP/1.1", "Connect JSON over HTTP/2", "gRPC proto"].includes(name),
);

async function revoke(restUrl: string, device: Device): Promise<void> {
  const body = JSON.stringify({ device_session_id: device.deviceSessionId });
  const response = await fetch(`${restUrl}/dev/revoke`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
  });
  expect(response.status).toBe(200);
}

/** Kills and restarts the backend under load. At half of the restarts, a session is revoked while the backend is down. */
async function killRepeatedly(fixture: Fixture, restarts: number, hasRecovered: (restart: number) => Promise<boolean>) {
  const { backend, transport } = fixture;
  const openAllVariants = (device: Device) =>
    Promise.all(VARIANTS.map((variant) => EventSubscriber.open(transport(variant), device)));
  const [user, revokedDevice] = [await fixture.login(), await fixture.login()];
  const [staying, revoked] = [await openAllVariants(user), await openAllVariants(revokedDevice)];
  const roaming: RoamingClient[] = [];
  for (const variant of ROAMING_VARIANTS) roaming.push(new RoamingClient(transport(variant), await fixture.login()));
  await until(() => roaming.every(({ streams }) => streams.length > 0), "the roaming clients to connect");
  const sender = new NumberSender(fixture, user);
  const kills: number[] = [];
  for (let restart = 1; restart <= restarts; restart++) {
    await sender.progress();
    await backend.kill();
    // The next number may have been sent already.
    kills.push(sender.acknowledged);
    const isDown = async () => !fixture.isFeedOfBackend || (await fixture.metric("sallyport_push_feed_up")) === 0;
    await until(isDown, "the feed to be down", WAIT_MS_MAX);
    if (restart === restarts / 2) {
      await backend.changeState((restUrl) => revoke(restUrl, revokedDevice));
      expect(revoked.filter(({ ended }) => ended !== undefined)).toEqual([]);
    }
    await backend.restart();
    await until(() => hasRecovered(restart), `the feed to be back after restart ${restart}`, WAIT_MS_MAX);
    if (restart < restarts / 2) continue;
    await until(
      () => revoked.every(({ ended }) => ended === "SESSION_REVOKED"),
      "the revoked session's streams to end",
      WAIT_MS_MAX,
    );
  }
  const open = [...staying, ...(await Promise.all(roaming.map((each) => each.stopRoaming())))];
  await sender.progress();
  const sent = await sender.stop();
  for (const stream of open) {
    await until(() => lastNumber(stream.events) === sent - 1, "the last event", WAIT_MS_MAX);
    expect(stream.ended).toBeUndefined();
    stream.leave();
  }
  for (const { streams, endReasons } of roaming) {
    expect(streams.length).toBeGreaterThan(restarts / 2);
    // While the backend is down, sessions that are not cached cannot be looked up.
    expect([...endReasons].filter((reason) => reason !== "SESSION_LOOKUP_UNAVAILABLE")).toEqual([]);
  }
  return { sent, kills, staying, revoked, roaming };
}

const isUp = async ({ metric }: Fixture) => (await metric("sallyport_push_feed_up")) === 1;

/** With its log, the backend continues after a restart: every client, including roaming ones, receives every event once and in order. */
async function checkWithLog(source: Source, restarts: number): Promise<void> {
  const fixture = await openFixture(false, source);
  const { sent, staying, revoked, roaming } = await killRepeatedly(fixture, restarts, () => isUp(fixture));
  const allNumbers = Array.from({ length: sent }, (_, n) => n);
  for (const each of [...staying, ...roaming]) expect(receivedSequence(each)).toEqual(allNumbers);
  for (const each of revoked) expect(receivedSequence(each)).toEqual(allNumbers.slice(0, receivedSequence(each).length));
  for (const { streams } of roaming) {
    expect(streams.slice(1).filter(([first]) => !hasResumed(first))).toEqual([]);
  }
  expect(await fixture.metric("sallyport_push_feed_gaps_total")).toBe(0);
}

describe(`a backend that is killed and restarted ${RESTARTS} times under load`, () => {
  test(
    "with its log: every client, including roaming ones, receives every event once and in order",
    () => checkWithLog("feed", RESTARTS),
    120_000,
  );

  test("without its log: every client gets a resync for each restart, and misses no other event", async () => {
    const fixture = await openFixture(true);
    const gaps = () => fixture.metric("sallyport_push_feed_gaps_total");
    const recovered = async (restart: number) => (await gaps()) === restart && (await isUp(fixture));
    const { kills, staying, revoked, roaming } = await killRepeatedly(fixture, RESTARTS, recovered);
    for (const received of [...staying, ...revoked, ...roaming].map(receivedSequence)) {
      expect(outOfSequence(received)).toEqual([]);
      expect(gapsWithoutResync(received, kills)).toEqual([]);
    }
    for (const each of staying) expect(receivedSequence(each).filter((item) => item === "resync")).toHaveLength(RESTARTS);
    expect(await gaps()).toBe(RESTARTS);
  }, 120_000);
});

describe(`a backend that is killed and restarted ${OTHER_RESTARTS} times, and publishes its log to the private listener`, () => {
  test(
    "with push.source = http: every client receives every event once and in order",
    () => checkWithLog("http", OTHER_RESTARTS),
    120_000,
  );

  const reason = NO_REDIS === undefined ? "" : ` (skipped: ${NO_REDIS})`;
  test.skipIf(NO_REDIS !== undefined)(
    `with push.source = redis: every client receives every event once and in order${reason}`,
    () => checkWithLog("redis", OTHER_RESTARTS),
    120_000,
  );
});

function hasResumed(first: GatewayEvent | undefined): boolean {
  return JSON.parse(new TextDecoder().decode(first?.payloadBytes)).resumed;
}
