import { afterEach, describe, expect, test } from "bun:test";
import { openRawConnection, type RawConnection } from "../../support/raw-connection.ts";
import { until } from "../../support/until.ts";
import { metric, openWorld, type World } from "../../support/world.ts";

/** A crowd of connections and a guesser at a gateway with three workers: they get no more than from one process. */

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: workers need Linux";
const WORKERS = 3;
const CROWD = 60;

const opened: { world?: World; crowd: RawConnection[] } = { crowd: [] };
afterEach(async () => {
  for (const { destroy } of opened.crowd.splice(0)) destroy();
  await opened.world?.close();
});

async function open(overrides: Parameters<typeof openWorld>[0]): Promise<World> {
  opened.world = await openWorld(overrides, { workers: WORKERS });
  return opened.world;
}

/** Connections that sent the first bytes of a request: the edge's own port does not count silent ones. */
async function crowd(url: string, first: string, from?: string): Promise<RawConnection[]> {
  const options = from === undefined ? {} : { from };
  const all = await Promise.all(Array.from({ length: CROWD }, () => openRawConnection(url, first, options)));
  opened.crowd.push(...all);
  return all;
}

const openIn = (all: readonly RawConnection[]) => all.filter(({ closed }) => !closed).length;
const HTTP1 = "GET / HTTP/1.1\r\nHost: ";
const HTTP2 = "PRI * HTTP/2.0\r\n\r\n";
/** Longer than the edge needs to close what exceeds a limit. Only time can show that it closes no more. */
const SETTLE_MS = 1000;

const LISTENERS = [
  { name: "the edge's own port", grpc: "own-port", url: ({ edgeUrl }: World["gateway"]) => edgeUrl, first: HTTP1 },
  { name: "the gRPC listener", grpc: "own-port", url: ({ grpcUrl }: World["gateway"]) => grpcUrl, first: HTTP2 },
  { name: "the one port, HTTP/1.1", grpc: "same-port", url: ({ edgeUrl }: World["gateway"]) => edgeUrl, first: HTTP1 },
  { name: "the one port, HTTP/2", grpc: "same-port", url: ({ edgeUrl }: World["gateway"]) => edgeUrl, first: HTTP2 },
] as const;

const BOUNDS = [
  { key: "connections.per_network_max", bound: "network" },
  { key: "connections.total_max", bound: "total" },
] as const;

describe.skipIf(NOT_LINUX !== undefined)(NOT_LINUX ?? "with three workers", () => {
  test.each(LISTENERS.flatMap((listener) => BOUNDS.map((bound) => ({ ...listener, ...bound }))))(
    "$name keeps $key over all workers",
    async ({ grpc, url, first, key, bound }) => {
      const { gateway } = await open({ "edge.grpc": grpc, [key]: 20 });
      const all = await crowd(url(gateway), first);
      await until(() => openIn(all) <= 20, "the connections over the limit to be closed");
      await Bun.sleep(SETTLE_MS);
      expect(openIn(all)).toBe(20);
      expect(await metric(gateway, "sallyport_connections_cut_total", `{bound="${bound}"}`)).toBe(CROWD - 20);
      for (const { destroy } of all) destroy();
      // All counts end with their connections, so there is room for as many again.
      const again = async () => {
        const next = await crowd(url(gateway), first);
        await until(() => openIn(next) <= 20, "the second crowd to be cut");
        await Bun.sleep(SETTLE_MS / 4);
        const left = openIn(next);
        for (const { destroy } of next) destroy();
        return left;
      };
      await until(async () => (await again()) === 20, "the first crowd to be counted no longer");
    },
  );

  test("another network keeps its connections when one network exceeds total_max", async () => {
    const { gateway } = await open({ "connections.total_max": 64 });
    const others = await Promise.all(
      Array.from({ length: 20 }, (_, n) => openRawConnection(gateway.edgeUrl, HTTP1, { from: `127.0.1.${n + 1}` })),
    );
    opened.crowd.push(...others);
    const all = await crowd(gateway.edgeUrl, HTTP1, "127.0.0.9");
    await until(() => openIn(all) <= 44, "the connections over the limit to be closed");
    await Bun.sleep(SETTLE_MS);
    expect([openIn(all), openIn(others)]).toEqual([44, 20]);
  });

  test("the connections of a killed worker count no longer", async () => {
    const { gateway } = await open({ "edge.grpc": "same-port", "connections.per_network_max": 20 });
    const first = await crowd(gateway.edgeUrl, HTTP1);
    await until(() => openIn(first) === 20, "the limit");
    const workers = Bun.spawnSync(["pgrep", "-P", String(process.pid), "-f", "main.ts worker"]).stdout.toString();
    process.kill(Number(workers.split("\n")[0]), "SIGKILL");
    await until(() => openIn(first) < 20, "the connections of the killed worker to end");
    await until(async () => {
      const more = await crowd(gateway.edgeUrl, HTTP1);
      await Bun.sleep(SETTLE_MS / 4);
      const isFull = openIn(first) + openIn(more) === 20;
      for (const { destroy } of more) destroy();
      return isFull;
    }, "the places of the killed worker");
  });

  test("a guesser gets the failure budget once, not once per worker", async () => {
    const world = await open({ "budgets.failures.rate": 0.001, "budgets.failures.burst": 12, "budgets.ip.burst": 1 });
    const device = await world.login();
    const guess = async () => {
      const request = await device.signer.sign("user.profile.get", new Uint8Array());
      const envelope = { ...request.envelope, deviceSessionId: crypto.randomUUID() };
      const base64 = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("base64");
      const json = {
        envelope: {
          protocolVersion: envelope.protocolVersion,
          deviceSessionId: envelope.deviceSessionId,
          requestId: envelope.requestId,
          timestampMs: String(envelope.timestampMs),
          messageType: envelope.messageType,
          payloadHash: base64(envelope.payloadHash),
        },
        payloadBytes: base64(request.payloadBytes),
        signature: base64(request.signature),
      };
      const headers = { "content-type": "application/json", connection: "close" };
      const url = `${world.gateway.edgeUrl}/sallyport.v1.Gateway/ExecuteCommand`;
      return await (await fetch(url, { method: "POST", headers, body: JSON.stringify(json) })).text();
    };
    const lookUps = world.faults.calls();
    const answers = await Promise.all(Array.from({ length: 90 }, guess));
    const reached = answers.filter((text) => !text.includes("RATE_LIMITED"));
    expect(reached.length).toBeGreaterThan(0);
    expect(reached.length).toBeLessThanOrEqual(12);
    expect(world.faults.calls() - lookUps).toBe(reached.length);
  });
});
