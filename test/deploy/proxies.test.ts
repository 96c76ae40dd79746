import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { type Gateway as RunningGateway, startGateway } from "../../src/app/gateway.ts";
import { SallyportClient } from "../../src/client/index.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { BALANCERS, type Balancer, type BalancerKind, GATEWAY_HOSTS, TCP_BALANCER } from "../support/balancers.ts";
import { type Certificate, selfSigned } from "../support/certificates.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { freePorts } from "../support/free-ports.ts";
import { outcomeOf } from "../support/outcome.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, fetchOver, login, metric, openWorld, type World } from "../support/world.ts";

/** Two gateways behind each proxy, with the configuration files that operators copy. */

const DRAIN_MS = 3000;
const STOP = { "shutdown.drain_ms": DRAIN_MS, "shutdown.spread_ms": 500 } as const;
/** An address of the loopback network from which a client connects. No proxy has it. */
const CLIENT = "127.0.0.9";
const SPOOFED = "203.0.113.9";

class Site {
  readonly world: World;
  readonly second: RunningGateway;
  readonly balancer: Balancer;
  readonly certificate: Certificate;

  private constructor(world: World, second: RunningGateway, balancer: Balancer, certificate: Certificate) {
    this.world = world;
    this.second = second;
    this.balancer = balancer;
    this.certificate = certificate;
  }

  static async open(kind: BalancerKind): Promise<Site> {
    const certificate = await selfSigned("proxies.test");
    const [edge = 0, admin = 0] = await freePorts(2);
    const own = { "tls.certificate_file": certificate.certificateFile, "tls.key_file": certificate.keyFile };
    const settings = {
      ...STOP,
      ...(kind === TCP_BALANCER && own),
      "edge.grpc": "same-port",
      "keys.current": SEED,
      trusted_proxies: ["127.0.0.1"],
    } as const;
    const listen = (host: string) => ({ "edge.listen": { host, port: edge }, "admin.listen": { host, port: admin } });
    const tls = { tls: { ca: certificate.certificate } };
    const world = await openWorld({ ...settings, ...listen(GATEWAY_HOSTS[0]) }, tls);
    const second = await startGateway({ config: { ...world.config, ...listen(GATEWAY_HOSTS[1]) }, log: SILENT_LOG });
    await until(async () => (await fetch(`${second.adminUrl}/readyz`)).ok, "the second gateway to be ready");
    return new Site(world, second, await kind.start({ edge, admin }, certificate), certificate);
  }

  get tls() {
    return { ca: this.certificate.certificate };
  }

  login(): Promise<Device> {
    const email = `${crypto.randomUUID()}@example.com`;
    return login(this.balancer.url, this.world.backend.restUrl, email, fetchOver(this.tls));
  }

  transport(name: string) {
    const variant = VARIANTS.find((each) => each.name === name) ?? expect.unreachable();
    return variant.open(this.balancer.url, this.tls);
  }

  async close(): Promise<void> {
    await this.balancer.stop();
    await Promise.all([this.second.stop(), this.world.close()]);
  }
}

const PROTOCOLS = [
  "Connect JSON over HTTP/1.1",
  "Connect proto over HTTP/2",
  "gRPC-Web proto over HTTP/1.1",
  "gRPC-Web text over HTTP/2",
  "gRPC proto",
];

for (const kind of [...BALANCERS, TCP_BALANCER]) {
  describe.skipIf(kind.missing !== undefined)(kind.missing ?? kind.file, () => {
    let site: Site;
    let device: Device;

    beforeAll(async () => {
      site = await Site.open(kind);
      device = await site.login();
    }, 60_000);
    afterAll(() => site.close(), 30_000);

    test.each(PROTOCOLS)("%s: a command is answered", async (protocol) => {
      const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
      const { executeCommand } = createClient(Gateway, site.transport(protocol));
      expect((await executeCommand(request)).envelope?.resultCode).toBe("ok");
    });

    test.each(PROTOCOLS)("%s: each event of a stream arrives before the next is sent", async (protocol) => {
      const stream = await EventSubscriber.open(site.transport(protocol), device);
      for (let n = 0; n < 5; n++) {
        await site.world.push({ user_id: device.userId, event_type: "proxy.event", payload: { n } });
        await until(() => stream.payloads("proxy.event").length > n, `event ${n}: ${stream.ended}`);
      }
      stream.leave();
      expect(stream.payloads("proxy.event")).toEqual([0, 1, 2, 3, 4].map((n) => ({ n })));
    });

    test.each(["--http1.1", "--http2"])(
      "curl %s: the gateway knows the client's address, whatever the client claims",
      async (version) => {
        const claims = ["-H", `X-Forwarded-For: ${SPOOFED}`, "-H", `Forwarded: for=${SPOOFED}`];
        const url = `${site.balancer.url}/api/v1/public/auth/send-email-code`;
        const body = ["-H", "content-type: application/json", "-d", '{"email":"no address"}'];
        const line = () =>
          site.world
            .logged()
            .split("\n")
            .findLast((each) => each.includes(`"peer":"${CLIENT}"`));
        await until(async () => {
          await Bun.$`curl -sk ${version} --interface ${CLIENT} ${claims} ${body} ${url}`.quiet();
          return line() !== undefined;
        }, "a request at the gateway that logs");
        expect(site.world.logged()).not.toContain(SPOOFED);
      },
    );

    test("while a gateway drains and stops, no command is lost, and new streams go to the other", async () => {
      const commands = kind.movesCalls
        ? PROTOCOLS.map((protocol) => plainCommand(site, device, protocol))
        : repeated(site, device);
      const outcomes = new Map<string, number>();
      let isStopped = false;
      const calls = commands.map(async (command) => {
        for (let after = 0; after < 20; after += isStopped ? 1 : 0) {
          const outcome = await outcomeOf(command);
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        }
      });
      const stopping = site.second.stop();
      if (kind.movesCalls) await untilSpared(site);
      expect(await stopping).toBe(true);
      isStopped = true;
      await Promise.all(calls);
      expect([...outcomes.keys()]).toEqual(["ok"]);
      expect(outcomes.get("ok")).toBeGreaterThan(100);
      const stream = await EventSubscriber.open(site.transport("gRPC proto"), device);
      expect(stream.events.length).toBeGreaterThan(0);
      stream.leave();
    }, 60_000);
  });
}

/**
 * Resolves when the second gateway gets no command any more while the first one answers many. Throws when the second one has stopped
 * before: then the proxy did not ask for its readiness.
 */
async function untilSpared({ world, second }: Site): Promise<void> {
  const answered = (gateway: RunningGateway) => metric(gateway, "sallyport_requests_total");
  await until(async () => {
    const [before, start] = [await answered(second), await answered(world.gateway)];
    await until(async () => (await answered(world.gateway)) > start + 50, "the first gateway to answer");
    return (await answered(second)) === before;
  }, "the draining gateway to be spared");
}

/** Sends one command, once. */
function plainCommand(site: Site, device: Device, protocol: string): () => Promise<string | undefined> {
  const { executeCommand } = createClient(Gateway, site.transport(protocol));
  return async () => {
    const request = await device.signer.sign("user.profile.get", new Uint8Array(0));
    return (await executeCommand(request)).envelope?.resultCode;
  };
}

/** Clients of the package that send commands with an idempotency key, and again if a connection breaks. */
function repeated(site: Site, { deviceSessionId, deviceKey }: Device): (() => Promise<string | undefined>)[] {
  const credentials = { deviceSessionId, deviceKey };
  return Array.from({ length: 4 }, () => {
    const client = new SallyportClient({ baseUrl: site.balancer.url, credentials, fetch: fetchOver(site.tls) });
    return async () => {
      return (await client.execute("user.profile.get", undefined, { idempotencyKey: crypto.randomUUID() })).resultCode;
    };
  });
}
