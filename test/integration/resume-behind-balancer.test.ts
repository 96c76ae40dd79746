import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DevBackend, startDevBackend } from "../../src/dev/backend.ts";
import { type Served, serve } from "../bench/served.ts";
import { type Balancer, GATEWAY_HOSTS, ROUND_ROBIN } from "../support/balancers.ts";
import { type Certificate, selfSigned } from "../support/certificates.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { freePorts } from "../support/free-ports.ts";
import { receivedSequence } from "../support/received-sequence.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, fetchOver, login, metric, ROOMY } from "../support/world.ts";

/**
 * Two gateways on one Redis behind a balancer that sends each call to the next gateway. A client that reconnects resumes with
 * `resumed: true` every time, also after a gateway was killed.
 */

const ANY_PORT = { host: "127.0.0.1", port: 0 };
const START_MS_MAX = 30_000;
const ROUNDS = 3;
const MISSING = NO_REDIS ?? ROUND_ROBIN.missing;
const PROTOCOLS = ["Connect JSON over HTTP/1.1", "Connect proto over HTTP/2", "gRPC-Web proto over HTTP/1.1", "gRPC proto"];

/** A client that reconnects and resumes after its last event. */
class Client {
  readonly #site: Site;
  readonly #protocol: string;
  readonly #device: Device;
  readonly #streams: EventSubscriber[] = [];

  constructor(site: Site, protocol: string, device: Device) {
    this.#site = site;
    this.#protocol = protocol;
    this.#device = device;
  }

  get device(): Device {
    return this.#device;
  }

  get stream(): EventSubscriber {
    return this.#streams.at(-1) ?? expect.unreachable();
  }

  get isCut(): boolean {
    return this.stream.ended !== undefined;
  }

  /** What it received over all its streams. */
  get received() {
    return this.#streams.flatMap((stream) => receivedSequence(stream));
  }

  async connect(): Promise<void> {
    const last = this.#streams.at(-1);
    last?.leave();
    const payload = last === undefined ? "" : JSON.stringify({ resume_after: last.lastId });
    const stream = await EventSubscriber.open(this.#site.transport(this.#protocol), this.#device, payload);
    expect(stream.ended).toBeUndefined();
    if (last !== undefined) expect(stream.payloads("gateway.server_time")).toMatchObject([{ resumed: true }]);
    this.#streams.push(stream);
  }

  async heartbeat(): Promise<void> {
    const { events } = this.stream;
    const before = events.length;
    const isHeartbeat = () => events.slice(before).some(({ envelope }) => envelope?.eventType === "gateway.heartbeat");
    await until(isHeartbeat, "a heartbeat");
  }

  close(): void {
    this.stream.leave();
  }
}

class Site {
  readonly #redis: TestRedis;
  readonly #backend: DevBackend;
  readonly #folder: string;
  readonly #ports: { readonly edge: number; readonly admin: number };
  readonly #certificate: Certificate;
  readonly gateways: (Served | undefined)[] = [];
  #balancer: Balancer | undefined;

  private constructor(redis: TestRedis, backend: DevBackend, folder: string, ports: number[], certificate: Certificate) {
    this.#redis = redis;
    this.#backend = backend;
    this.#folder = folder;
    this.#ports = { edge: ports[0] ?? 0, admin: ports[1] ?? 0 };
    this.#certificate = certificate;
  }

  static async open(): Promise<Site> {
    const site = new Site(
      await TestRedis.start(),
      await startDevBackend({ restListen: ANY_PORT, pushListen: ANY_PORT, database: ":memory:", log: SILENT_LOG }),
      await mkdtemp(join(tmpdir(), "sallyport-balanced-")),
      await freePorts(2),
      await selfSigned("balancer.test"),
    );
    for (const at of GATEWAY_HOSTS.keys()) await site.start(at);
    site.#balancer = await ROUND_ROBIN.start(site.#ports, site.#certificate);
    return site;
  }

  async start(at: number): Promise<void> {
    const roomy = Object.fromEntries(Object.entries(ROOMY).map(([key, value]) => [key, String(value)]));
    const host = GATEWAY_HOSTS[at];
    this.gateways[at] = await serve({
      ...roomy,
      "edge.listen": `${host}:${this.#ports.edge}`,
      "admin.listen": `${host}:${this.#ports.admin}`,
      "edge.grpc": "same-port",
      trusted_proxies: "127.0.0.1",
      "stores.kind": "redis",
      "stores.redis.url": this.#redis.url,
      "stores.redis.durable": "true",
      "streams.heartbeat_ms": "1000",
      "history.checkpoint_file": join(this.#folder, `checkpoint-${at}.json`),
      "backend.url": this.#backend.restUrl,
      "push.url": this.#backend.pushUrl,
      "keys.current": SEED,
    });
  }

  /** Kills a gateway. */
  async kill(at: number): Promise<void> {
    const { pid } = this.gateways[at] ?? expect.unreachable();
    process.kill(pid, "SIGKILL");
    await this.gateways[at]?.stop();
    this.gateways[at] = undefined;
  }

  async login(email: string): Promise<Device> {
    return login(this.#url, this.#backend.restUrl, email, fetchOver(this.#tls));
  }

  transport(name: string) {
    const variant = VARIANTS.find((each) => each.name === name) ?? expect.unreachable();
    return variant.open(this.#url, this.#tls);
  }

  async push({ userId }: Device, n: number): Promise<void> {
    const body = JSON.stringify({ user_id: userId, event_type: "test.number", payload: { n } });
    const headers = { "content-type": "application/json" };
    expect((await fetch(`${this.#backend.restUrl}/dev/push`, { method: "POST", body, headers })).ok).toBe(true);
  }

  async close(): Promise<void> {
    await this.#balancer?.stop();
    await Promise.all(this.gateways.map((gateway) => gateway?.stop()));
    await Promise.all([this.#backend.stop(), this.#redis.close()]);
    await rm(this.#folder, { recursive: true });
  }

  get #url(): string {
    return this.#balancer?.url ?? expect.unreachable();
  }

  get #tls() {
    return { ca: this.#certificate.certificate };
  }
}

describe.skipIf(MISSING !== undefined)(
  `two gateways on one Redis behind a balancer${MISSING ? ` (skipped: ${MISSING})` : ""}`,
  () => {
    let site: Site;
    let active: Client[];
    let quiet: Client[];
    let sent = 0;

    const pushToActive = async () => {
      sent++;
      for (const { device } of active) await site.push(device, sent);
    };
    const expectAllReceived = async () => {
      const expected = Array.from({ length: sent }, (_, n) => n + 1);
      for (const client of active) {
        await until(() => client.received.length >= sent, "the events");
        expect(client.received).toEqual(expected);
      }
      for (const client of quiet) expect(client.received).toEqual([]);
    };
    const streamsOf = (gateway: Served | undefined) =>
      gateway === undefined ? 0 : metric(gateway, "sallyport_streams_ended_total");

    beforeAll(async () => {
      site = await Site.open();
      const open = async (protocol: string, email: string) => {
        const client = new Client(site, protocol, await site.login(email));
        await client.connect();
        return client;
      };
      active = [];
      quiet = [];
      for (const [n, protocol] of PROTOCOLS.entries()) {
        active.push(await open(protocol, `active-${n}@example.com`));
        quiet.push(await open(protocol, `quiet-${n}@example.com`));
      }
    }, START_MS_MAX);
    afterAll(async () => {
      for (const client of [...active, ...quiet]) client.close();
      await site.close();
    }, START_MS_MAX);

    test(
      "clients that alternate resume every time, also if they only saw heartbeats",
      async () => {
        for (let round = 0; round < ROUNDS; round++) {
          await pushToActive();
          await expectAllReceived();
          await Promise.all(quiet.map((client) => client.heartbeat()));
          for (const client of [...active, ...quiet]) await client.connect();
        }
        for (const gateway of site.gateways) expect(await streamsOf(gateway)).toBeGreaterThan(0);
      },
      START_MS_MAX,
    );

    test.each([0, 1])(
      "the clients of gateway %d resume at the other one when it is killed, and again when it is back",
      async (at) => {
        await pushToActive();
        await expectAllReceived();
        await Promise.all(quiet.map((client) => client.heartbeat()));
        const all = [...active, ...quiet];
        await site.kill(at);
        await pushToActive();
        await until(async () => {
          for (const client of all) if (client.isCut) await client.connect();
          return active.every(({ received }) => received.length >= sent);
        }, "the events at the other gateway");
        await expectAllReceived();
        await site.start(at);
        await until(
          async () => {
            await pushToActive();
            for (const client of all) await client.connect();
            return (await streamsOf(site.gateways[at])) > 0;
          },
          "the balancer to use the gateway that is back",
          START_MS_MAX,
        );
        await expectAllReceived();
      },
      2 * START_MS_MAX,
    );
  },
);
