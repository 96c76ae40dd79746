import { describe, expect, test } from "bun:test";
import { createClient, type Transport } from "@connectrpc/connect";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { selfSigned } from "../support/certificates.ts";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { FrozenClients } from "../support/frozen-clients.ts";
import { type GatewayProcess, ROOMY_BUDGETS, startGatewayProcess } from "../support/gateway-process.ts";
import { outcomeOf } from "../support/outcome.ts";
import { until } from "../support/until.ts";
import { type TlsTrust, VARIANTS, type Variant } from "../support/variants.ts";
import { type Device, fetchOver } from "../support/world.ts";

/**
 * SIGTERM with `shutdown.drain_ms` and `shutdown.spread_ms`: load balancers learn of it before any client is refused, the streams do
 * not end in one instant, and idle connections delay nothing. `SALLYPORT_DRAIN_STREAMS` sets the number of streams.
 */

const STREAMS = Number(process.env["SALLYPORT_DRAIN_STREAMS"] ?? 300);
const IDLE_CONNECTIONS = Math.ceil(STREAMS / 10);
const DRAIN_MS = 500;
/** At least 3 s. With many streams, the one thread of all clients needs more time for the ends. */
const SPREAD_MS = Math.max(3000, STREAMS * 2);
/** The ends are counted in windows of this length. */
const WINDOW_MS = 1000;
const DEADLINE_MS = 10_000;
const POLL_MS = 20;
/** The bound of the largest window against the mean. With few streams, one pause of a busy test machine moves many of them. */
const UNEVEN_MAX = STREAMS > 1000 ? 1.5 : 2.2;
/** Streams that are opened at the same time, and streams of one HTTP/2 connection. */
const BATCH = 50;
const TEST_MS_MAX = 120_000 + STREAMS * 20;

interface Setup {
  readonly name: string;
  readonly variant: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly secure: boolean;
}

const ONE_PORT = { "edge.grpc": "same-port" };
const TWO_WORKERS = { "workers.count": "2" };
const [HTTP1, HTTP2, GRPC] = ["Connect proto over HTTP/1.1", "Connect proto over HTTP/2", "gRPC proto"] as const;
const SETUPS: readonly Setup[] = [
  { name: "the edge, HTTP/1.1", variant: HTTP1, settings: {}, secure: false },
  { name: "the edge with TLS, HTTP/1.1", variant: HTTP1, settings: {}, secure: true },
  { name: "the edge with TLS, HTTP/2", variant: HTTP2, settings: {}, secure: true },
  { name: "the gRPC listener with TLS", variant: GRPC, settings: {}, secure: true },
  { name: "one port, HTTP/1.1", variant: HTTP1, settings: ONE_PORT, secure: false },
  { name: "one port with TLS, HTTP/1.1", variant: HTTP1, settings: ONE_PORT, secure: true },
  { name: "one port with TLS, HTTP/2", variant: HTTP2, settings: ONE_PORT, secure: true },
  { name: "two workers with TLS, HTTP/1.1", variant: HTTP1, settings: TWO_WORKERS, secure: true },
];

interface Subject {
  readonly gateway: GatewayProcess;
  readonly device: Device;
  readonly tls: TlsTrust | undefined;
}

class Drained {
  /** When each stream ended, in ms since the stop began. */
  readonly endsMs: number[] = [];
  readonly reasons = new Set<string | undefined>();
  /** When /readyz first answered 503, and when a command or a subscription was first refused, in ms since the stop began. */
  notReadyMs: number | undefined;
  refusedMs: number | undefined;
}

async function start({ settings, secure }: Setup): Promise<Subject> {
  const { certificate: ca, certificateFile, keyFile } = await selfSigned("drain.test");
  const many = String(STREAMS * 4);
  const gateway = await startGatewayProcess({
    ...ROOMY_BUDGETS,
    ...(secure && { "tls.certificate_file": certificateFile, "tls.key_file": keyFile }),
    ...{ "streams.per_session_max": many, "streams.per_user_max": many, "streams.per_network_max": many },
    "connections.per_network_max": many,
    ...{ "shutdown.drain_ms": String(DRAIN_MS), "shutdown.spread_ms": String(SPREAD_MS) },
    "shutdown.deadline_ms": String(DEADLINE_MS),
    "workers.count": "1",
    ...settings,
  });
  const tls = secure ? { ca } : undefined;
  return { gateway, tls, device: await gateway.login("drained@example.com", fetchOver(tls)) };
}

function variantOf(name: string): Variant {
  return VARIANTS.find((each) => each.name === name) ?? expect.unreachable();
}

function transportOf({ gateway, tls }: Subject, { listener, open }: Variant): Transport {
  return open(listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl, tls);
}

async function openStreams(subject: Subject, variant: Variant): Promise<EventSubscriber[]> {
  const streams: EventSubscriber[] = [];
  while (streams.length < STREAMS) {
    const transport = transportOf(subject, variant);
    const count = Math.min(BATCH, STREAMS - streams.length);
    streams.push(...(await Promise.all(Array.from({ length: count }, () => EventSubscriber.open(transport, subject.device)))));
  }
  expect(new Set(streams.map(({ ended }) => ended))).toEqual(new Set([undefined]));
  return streams;
}

/** Connections of clients that do not read, at the listener of the variant. */
async function openIdle({ gateway }: Subject, { listener }: Variant): Promise<FrozenClients> {
  const isEdge = listener === "edge";
  const idle = await FrozenClients.open(isEdge ? gateway.edgeUrl : gateway.grpcUrl);
  for (let n = 0; n < IDLE_CONNECTIONS; n++) (await idle.silent(isEdge ? "http/1.1" : "h2")).pause();
  return idle;
}

describe.each(SETUPS)("$name", (setup) => {
  test(
    "is not ready before it refuses, ends the streams evenly, and stops in time with idle connections",
    async () => {
      const subject = await start(setup);
      const { gateway } = subject;
      const variant = variantOf(setup.variant);
      const streams = await openStreams(subject, variant);
      const idle = await openIdle(subject, variant);

      const drained = new Drained();
      const startedMs = performance.now();
      const elapsedMs = () => performance.now() - startedMs;
      process.kill(gateway.pid, "SIGTERM");
      const exited = gateway.exited.then((code) => ({ code, ms: elapsedMs() }));
      const polling = poll(subject, drained, elapsedMs);
      await watchEnds(streams, drained, elapsedMs);
      const { code, ms: exitedMs } = await exited;
      await polling;

      const perSecond = largestWindow(drained.endsMs);
      const mean = (STREAMS * WINDOW_MS) / SPREAD_MS;
      if (STREAMS > 1000) console.log({ setup: setup.name, ...figures(drained), perSecond, mean, exitedMs });
      expect(code).toBe(0);
      expect([...drained.reasons]).toEqual(["SHUTTING_DOWN"]);
      expect(drained.notReadyMs).toBeLessThan(drained.refusedMs ?? 0);
      expect(drained.refusedMs).toBeGreaterThanOrEqual(DRAIN_MS - POLL_MS);
      expect(Math.min(...drained.endsMs)).toBeGreaterThanOrEqual(DRAIN_MS - POLL_MS);
      expect(perSecond).toBeLessThanOrEqual(UNEVEN_MAX * mean);
      expect(exitedMs).toBeLessThan(DRAIN_MS + SPREAD_MS + DEADLINE_MS);
      idle.close();
      await gateway.close();
    },
    TEST_MS_MAX,
  );
});

/** Notes when each stream ends. Resolves when all have ended. */
async function watchEnds(streams: readonly EventSubscriber[], drained: Drained, elapsedMs: () => number): Promise<void> {
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
}

/** Asks for readiness, a command and a subscription again and again, as a load balancer and new clients do, until a request fails. */
async function poll(subject: Subject, drained: Drained, elapsedMs: () => number): Promise<void> {
  const transport = transportOf(subject, variantOf(HTTP1));
  const client = createClient(Gateway, transport);
  for (;;) {
    const readiness = await fetch(`${subject.gateway.adminUrl}/readyz`).catch(() => undefined);
    if (readiness?.status === 503) drained.notReadyMs ??= elapsedMs();
    const request = await subject.device.signer.sign("user.profile.get", new Uint8Array());
    const outcome = await outcomeOf(async () => (await client.executeCommand(request)).envelope?.resultCode);
    const stream = outcome === "ok" ? await EventSubscriber.open(transport, subject.device) : undefined;
    stream?.leave();
    if (outcome !== "ok" || stream?.events.length === 0) drained.refusedMs ??= elapsedMs();
    if (outcome !== "ok") return;
    await Bun.sleep(POLL_MS);
  }
}

/** The largest number of ends within one window. */
function largestWindow(endsMs: readonly number[]): number {
  let [largest, from] = [0, 0];
  for (const [at, endMs] of endsMs.entries()) {
    while (endMs - (endsMs[from] ?? 0) >= WINDOW_MS) from++;
    largest = Math.max(largest, at - from + 1);
  }
  return largest;
}

function figures({ endsMs, notReadyMs, refusedMs }: Drained) {
  return { notReadyMs, refusedMs, firstMs: endsMs[0], lastMs: endsMs.at(-1) };
}
