import { describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { selfSigned } from "../support/certificates.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { FrozenClients } from "../support/frozen-clients.ts";
import { outcomeOf } from "../support/outcome.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, openWorld, type World } from "../support/world.ts";

/**
 * A stop with `shutdown.drain_ms` and `shutdown.spread_ms`: load balancers learn of it before any client is refused, and the streams do not end in
 * one instant. `SALLYPORT_DRAIN_STREAMS` sets the number of streams.
 */

const STREAMS = Number(process.env["SALLYPORT_DRAIN_STREAMS"] ?? 300);
const IDLE_CONNECTIONS = Math.ceil(STREAMS / 10);
const DRAIN_MS = 500;
const SPREAD_MS = 3000;
/** The ends are counted in windows of this length. */
const WINDOW_MS = SPREAD_MS / 3;
const DEADLINE_MS = 10_000;
const POLL_MS = 20;

interface Setup {
  readonly name: string;
  readonly onePort: boolean;
  readonly secure: boolean;
  readonly variant: string;
}

const SETUPS: readonly Setup[] = [
  { name: "the edge, HTTP/1.1", onePort: false, secure: false, variant: "Connect proto over HTTP/1.1" },
  { name: "the edge with TLS, HTTP/2", onePort: false, secure: true, variant: "Connect proto over HTTP/2" },
  { name: "the gRPC listener with TLS", onePort: false, secure: true, variant: "gRPC proto" },
  { name: "one port, HTTP/1.1", onePort: true, secure: false, variant: "Connect proto over HTTP/1.1" },
  { name: "one port with TLS, HTTP/2", onePort: true, secure: true, variant: "gRPC-Web proto over HTTP/2" },
];

class Drained {
  /** When each stream ended, in ms since the stop began. */
  readonly endsMs: number[] = [];
  readonly reasons = new Set<string | undefined>();
  /** When /readyz first answered 503, and when a command or a subscription was first refused, in ms since the stop began. */
  notReadyMs: number | undefined;
  refusedMs: number | undefined;
}

async function openSetup({ onePort, secure }: Setup): Promise<World> {
  const { certificate: ca, certificateFile, keyFile } = await selfSigned("drain.test");
  return openWorld(
    {
      ...(secure && { "tls.certificate_file": certificateFile, "tls.key_file": keyFile }),
      ...(onePort && { "edge.grpc": "same-port" }),
      "streams.per_session_max": 100_000,
      "streams.per_user_max": 100_000,
      "streams.per_network_max": 100_000,
      "shutdown.drain_ms": DRAIN_MS,
      "shutdown.spread_ms": SPREAD_MS,
      "shutdown.deadline_ms": DEADLINE_MS,
    },
    { tls: { ca } },
  );
}

describe.each(SETUPS)("$name", (setup) => {
  test("is not ready before it refuses, ends the streams evenly, and stops in time with idle connections", async () => {
    const world = await openSetup(setup);
    const variant = VARIANTS.find(({ name }) => name === setup.variant) ?? expect.unreachable();
    const device = await world.login();
    const streams: EventSubscriber[] = [];
    for (let n = 0; n < STREAMS; n++) streams.push(await EventSubscriber.open(world.transport(variant), device));
    const idle = await FrozenClients.open(world.gateway.edgeUrl);
    for (let n = 0; n < IDLE_CONNECTIONS; n++) (await idle.silent()).pause();

    const drained = new Drained();
    const startedMs = performance.now();
    const elapsedMs = () => performance.now() - startedMs;
    const stopping = world.gateway.stop();
    const polling = poll(world, device, drained, elapsedMs);
    const open = new Set(streams);
    await until(
      () => {
        for (const stream of open) {
          if (stream.ended === undefined) continue;
          open.delete(stream);
          drained.endsMs.push(elapsedMs());
          drained.reasons.add(stream.ended);
        }
        return open.size === 0;
      },
      "all streams to end",
      DRAIN_MS + SPREAD_MS + DEADLINE_MS,
    );
    expect(await stopping).toBe(true);
    await polling;

    expect([...drained.reasons]).toEqual(["SHUTTING_DOWN"]);
    expect(drained.notReadyMs).toBeLessThan(drained.refusedMs ?? 0);
    expect(drained.refusedMs).toBeGreaterThanOrEqual(DRAIN_MS - POLL_MS);
    expect(Math.min(...drained.endsMs)).toBeGreaterThanOrEqual(DRAIN_MS - POLL_MS);
    expect(largestWindow(drained.endsMs)).toBeLessThanOrEqual((1.5 * STREAMS * WINDOW_MS) / SPREAD_MS);
    expect(elapsedMs()).toBeLessThan(DRAIN_MS + SPREAD_MS + DEADLINE_MS / 2);
    idle.close();
    await world.close();
  }, 60_000);
});

/** Asks for readiness, a command and a subscription again and again, as a load balancer and new clients do, until a request fails. */
async function poll(world: World, device: Device, drained: Drained, elapsedMs: () => number): Promise<void> {
  const [variant = expect.unreachable()] = VARIANTS;
  const client = createClient(Gateway, world.transport(variant));
  for (;;) {
    const readiness = await fetch(`${world.gateway.adminUrl}/readyz`).catch(() => undefined);
    if (readiness?.status === 503) drained.notReadyMs ??= elapsedMs();
    const request = await device.signer.sign("user.profile.get", new Uint8Array());
    const outcome = await outcomeOf(async () => (await client.executeCommand(request)).envelope?.resultCode);
    const stream = outcome === "ok" ? await EventSubscriber.open(world.transport(variant), device) : undefined;
    stream?.leave();
    if (outcome !== "ok" || stream?.events.length === 0) drained.refusedMs ??= elapsedMs();
    if (outcome !== "ok") return;
    await Bun.sleep(POLL_MS);
  }
}

/** The largest number of ends within one window. */
function largestWindow(endsMs: readonly number[]): number {
  return Math.max(...endsMs.map((fromMs) => endsMs.filter((ms) => ms >= fromMs && ms < fromMs + WINDOW_MS).length));
}
