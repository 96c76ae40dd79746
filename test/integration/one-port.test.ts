import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { reasonOf } from "../../src/client/errors.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { selfSigned } from "../support/certificates.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { openLoadBalancer } from "../support/load-balancer.ts";
import { proxyV1 } from "../support/proxy-header.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { openWorld, type World } from "../support/world.ts";

/** The whole gateway on one public port (`edge.grpc = "same-port"`). */

const EMPTY = new Uint8Array(0);
const worlds = new Map<string, World>();
beforeAll(async () => {
  const { certificate: ca, certificateFile, keyFile } = await selfSigned("one-port.test");
  const files = { "tls.certificate_file": certificateFile, "tls.key_file": keyFile };
  worlds.set("cleartext", await openWorld({ "edge.grpc": "same-port" }));
  worlds.set("TLS", await openWorld({ "edge.grpc": "same-port", ...files }, { tls: { ca } }));
});
afterAll(async () => {
  for (const world of worlds.values()) await world.close();
});

describe.each(["cleartext", "TLS"])("one port, %s", (over) => {
  test("serves commands, events and revocations concurrently in every protocol, codec and HTTP version", async () => {
    const world = worlds.get(over) ?? expect.unreachable();
    expect(world.gateway.grpcUrl).toBe(world.gateway.edgeUrl);
    const device = await world.login();
    const subscribers = await Promise.all(VARIANTS.map((variant) => EventSubscriber.open(world.transport(variant), device)));
    const results = await Promise.all(
      VARIANTS.map(async (variant) => {
        const request = await device.signer.sign("user.profile.get", EMPTY);
        return createClient(Gateway, world.transport(variant)).executeCommand(request);
      }),
    );
    expect(results.map(({ envelope }) => envelope?.resultCode)).toEqual(VARIANTS.map(() => "ok"));
    for (let n = 0; n < 20; n++) await world.push({ user_id: device.userId, event_type: "count.up", payload: { n } });
    await world.revoke({ device_session_id: device.deviceSessionId });
    for (const subscriber of subscribers) {
      await until(() => subscriber.ended !== undefined, "the stream to end");
      expect(subscriber.ended).toBe("SESSION_REVOKED");
      expect(subscriber.payloads("count.up")).toEqual(Array.from({ length: 20 }, (_, n) => ({ n })));
    }
  });
});

test("on one port the IP budget uses each client's address behind a trusted proxy, in every protocol", async () => {
  const world = await openWorld({
    "edge.grpc": "same-port",
    trusted_proxies: ["127.0.0.1"],
    "budgets.ip.rate": 0.001,
    "budgets.ip.burst": VARIANTS.length,
  });
  const device = await world.login();
  for (const client of ["203.0.113.7", "2001:db8:7::1"]) {
    const balancer = await openLoadBalancer(world.gateway.edgeUrl, { header: proxyV1(client) });
    const outcomes: (string | undefined)[] = [];
    for (const variant of [...VARIANTS, ...VARIANTS]) {
      const call = createClient(Gateway, variant.open(balancer.url)).executeCommand(
        await device.signer.sign("user.profile.get", EMPTY),
      );
      outcomes.push(await call.then(({ envelope }) => envelope?.resultCode, reasonOf));
    }
    // One budget per address, shared by all protocols.
    expect(outcomes).toEqual([...VARIANTS.map(() => "ok"), ...VARIANTS.map(() => "RATE_LIMITED")]);
    balancer.close();
  }
  await world.close();
});
