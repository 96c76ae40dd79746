import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { startDevBackend } from "../../src/dev/backend.ts";
import { freePorts } from "../support/free-ports.ts";
import { ROOMY_BUDGETS } from "../support/gateway-process.ts";
import { type Command, runCommand } from "../support/process.ts";
import { callPublish, PUSH_TOKEN } from "../support/publishing-world.ts";
import { type ReceivedSequence, receivedSequence } from "../support/received-sequence.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { RoamingClient } from "../support/roaming-client.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { type Device, login } from "../support/world.ts";

/**
 * Redis and the processes of gateways are killed under load. `SALLYPORT_PUSH_KILLS` sets the number of kills. A client never misses an
 * event and never gets one twice, unless it gets a resync in between.
 */

const KILLS = Number(process.env["SALLYPORT_PUSH_KILLS"] ?? 3);
const WAIT_MS_MAX = 30_000;
const TIMEOUT_MS = 60_000 + KILLS * 8000;
const ANY_PORT = { host: "127.0.0.1", port: 0 };
const reason = NO_REDIS === undefined ? "" : ` (skipped: ${NO_REDIS})`;

/** With Redis's default, `everysec`, a busy disk delays the log, and a kill then loses entries. */
const KEEPS_DATA = ["--appendonly", "yes", "--appendfsync", "always"];

let opened = new AsyncDisposableStack();
afterEach(() => opened.disposeAsync());

/** `sallyport serve` on fixed ports, so that it can be killed and started again. */
class KillableGateway {
  readonly edgeUrl: string;
  readonly publishUrl: string;
  readonly #adminUrl: string;
  readonly #flags: readonly string[];
  #command: Command | undefined;
  #gapsBefore = 0;

  private constructor(ports: readonly number[], settings: Readonly<Record<string, string>>) {
    const [edge, grpc, admin, publish] = ports.map((port) => `127.0.0.1:${port}`);
    this.edgeUrl = `http://${edge}`;
    this.publishUrl = `http://${publish}`;
    this.#adminUrl = `http://${admin}`;
    const listen = { "edge.listen": edge, "grpc.listen": grpc, "admin.listen": admin, "push.listen": publish };
    const fixed = { "keys.current": SEED, "push.token": PUSH_TOKEN, "push.backoff_max_ms": "100", "log.level": "error" };
    const all = { ...ROOMY_BUDGETS, ...listen, ...fixed, ...settings };
    this.#flags = Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  }

  static async start(settings: Readonly<Record<string, string>>): Promise<KillableGateway> {
    const gateway = new KillableGateway(await freePorts(4), settings);
    await gateway.start();
    return gateway;
  }

  async start(): Promise<void> {
    const command = runCommand(["serve", ...this.#flags]);
    this.#command = command;
    const isReady = async () => (await fetch(`${this.#adminUrl}/readyz`).catch(() => undefined))?.status === 200;
    await until(isReady, `the gateway to be ready: ${command.stdout()} ${command.stderr()}`, WAIT_MS_MAX);
  }

  /** The gaps of all processes of this gateway so far. */
  async gaps(): Promise<number> {
    const text = await (await fetch(`${this.#adminUrl}/metrics`)).text();
    return this.#gapsBefore + Number(/^sallyport_push_feed_gaps_total (\d+)/m.exec(text)?.[1]);
  }

  async kill(): Promise<void> {
    this.#gapsBefore = await this.gaps().catch(() => this.#gapsBefore);
    this.#command?.kill("SIGKILL");
    await this.#command?.exited;
  }
}

/** Sends each call to the next gateway in turn. */
function alternating(gateways: readonly KillableGateway[]): Transport {
  const transports = gateways.map(({ edgeUrl }) => createConnectTransport({ baseUrl: edgeUrl, httpVersion: "1.1" }));
  let calls = 0;
  const next = (): Transport => {
    const transport = transports[calls++ % transports.length];
    if (transport === undefined) throw new Error("no gateway");
    return transport;
  };
  return { unary: (...args) => next().unary(...args), stream: (...args) => next().stream(...args) };
}

/** Publishes numbers in order, each until one of the gateways has answered 200. */
class NumberPublisher {
  published = 0;
  readonly #gateways: readonly KillableGateway[];
  readonly #userId: string;
  #isDone = false;
  readonly #publishing: Promise<void>;

  constructor(gateways: readonly KillableGateway[], { userId }: Device) {
    this.#gateways = gateways;
    this.#userId = userId;
    this.#publishing = this.#run();
  }

  async progress(): Promise<void> {
    const before = this.published;
    await until(() => this.published > before + 5, "more published events", WAIT_MS_MAX);
  }

  async stop(): Promise<number> {
    this.#isDone = true;
    await this.#publishing;
    return this.published;
  }

  async #run(): Promise<void> {
    for (let attempt = 0; !this.#isDone; attempt++) {
      const { publishUrl } = this.#gateways[attempt % this.#gateways.length] ?? { publishUrl: "" };
      const n = this.published;
      const event = { user_id: this.#userId, event_type: "test.number", event_id: `n-${n}`, payload: { n } };
      const answer = await callPublish(publishUrl, "/publish", event).catch(() => undefined);
      if (answer?.status === 200) this.published++;
      else if (answer !== undefined && answer.status !== 503) throw new Error(`the gateway answered ${answer.status}`);
      await Bun.sleep(3);
    }
  }
}

/** The numbers that follow another number without being its successor, and without a resync in between. */
function breaks(received: ReceivedSequence): string[] {
  return received.flatMap((each, at) => {
    const before = received[at - 1];
    const isBreak = typeof each === "number" && typeof before === "number" && each !== before + 1;
    return isBreak ? [`${before} -> ${each}`] : [];
  });
}

interface Victim {
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Kills the victims in turn under load. Returns what each client received, and the last number. */
async function killInTurn(gateways: readonly KillableGateway[], victims: readonly Victim[], backendUrl: string) {
  const [first] = gateways;
  if (first === undefined) throw new Error("no gateway");
  const device = await login(first.edgeUrl, backendUrl, "ada@example.com");
  const clients = Array.from({ length: 4 }, () => new RoamingClient(alternating(gateways), device));
  await until(() => clients.every(({ events }) => events.length > 0), "the clients to connect", WAIT_MS_MAX);
  const publisher = new NumberPublisher(gateways, device);
  await publisher.progress();
  for (let kill = 0; kill < KILLS; kill++) {
    await Bun.sleep(Math.random() * 100);
    const victim = victims[kill % victims.length];
    await victim?.kill();
    await Bun.sleep(Math.random() * 100);
    await victim?.start();
    await publisher.progress();
  }
  const streams = await Promise.all(clients.map((each) => each.stopRoaming()));
  await publisher.progress();
  const last = (await publisher.stop()) - 1;
  for (const stream of streams) await until(() => receivedSequence(stream).at(-1) === last, "the last number", WAIT_MS_MAX);
  for (const stream of streams) stream.leave();
  const gaps = (await Promise.all(gateways.map((each) => each.gaps()))).reduce((sum, each) => sum + each, 0);
  return { gaps, received: clients.map(receivedSequence) };
}

async function openBackend() {
  opened = new AsyncDisposableStack();
  const backend = await startDevBackend({ restListen: ANY_PORT, pushListen: ANY_PORT, database: ":memory:", log: SILENT_LOG });
  opened.defer(() => backend.stop());
  return backend.restUrl;
}

async function openGateways(count: number, settings: Readonly<Record<string, string>>): Promise<KillableGateway[]> {
  const gateways: KillableGateway[] = [];
  for (let n = 0; n < count; n++) {
    const gateway = await KillableGateway.start(settings);
    opened.defer(() => gateway.kill());
    gateways.push(gateway);
  }
  return gateways;
}

const resyncs = (received: readonly ReceivedSequence[]) => received.flat().filter((each) => each === "resync").length;

describe(`${KILLS} kills of a gateway whose backend publishes over HTTP`, () => {
  async function killGateway(settings: Readonly<Record<string, string>>) {
    const backendUrl = await openBackend();
    const gateways = await openGateways(1, { "backend.url": backendUrl, "push.source": "http", ...settings });
    return killInTurn(gateways, gateways, backendUrl);
  }

  test(
    "with a log: every client gets every event once and in order, and no resync",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "sallyport-kills-"));
      const result = killGateway({ "push.log_file": join(folder, "log") });
      opened.defer(async () => rmSync(folder, { recursive: true }));
      const { received } = await result;
      expect(received.map(breaks)).toEqual(received.map(() => []));
      expect(resyncs(received)).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    "without a log: nothing is lost or doubled without a resync",
    async () => {
      const { received } = await killGateway({});
      expect(received.map(breaks)).toEqual(received.map(() => []));
      expect(resyncs(received)).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );
});

describe.skipIf(NO_REDIS !== undefined)(`${KILLS} kills of Redis and of two gateways in turn${reason}`, () => {
  async function killAll(args: readonly string[]) {
    const backendUrl = await openBackend();
    const redis = await TestRedis.start({ args });
    opened.defer(() => redis.close());
    const settings = { "backend.url": backendUrl, "push.source": "redis", "push.redis.url": redis.url };
    const gateways = await openGateways(2, settings);
    return killInTurn(gateways, [redis, ...gateways], backendUrl);
  }

  test(
    "a Redis that keeps its data: no gateway has a gap, and nothing is lost or doubled without a resync",
    async () => {
      const { received, gaps } = await killAll(KEEPS_DATA);
      expect(received.map(breaks)).toEqual(received.map(() => []));
      // A client that comes from the other gateway may be ahead of this one. It then gets a resync, without a gap.
      expect(gaps).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    "a Redis that loses its data: nothing is lost or doubled without a resync",
    async () => {
      const { received, gaps } = await killAll([]);
      expect(received.map(breaks)).toEqual(received.map(() => []));
      expect(gaps).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );
});
