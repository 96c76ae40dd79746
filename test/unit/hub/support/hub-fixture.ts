import type { ClientEvent } from "../../../../src/core/events.ts";
import type { Signer } from "../../../../src/core/keys.ts";
import { RevocationLog } from "../../../../src/core/revocation-log.ts";
import { EventIds } from "../../../../src/crypto/event-ids.ts";
import { KeyRing } from "../../../../src/crypto/key-ring.ts";
import type { Admission } from "../../../../src/hub/admission.ts";
import { EventCollector, type EventCollectorParts } from "../../../../src/hub/event-collector.ts";
import { Hub } from "../../../../src/hub/hub.ts";
import { LocalStreams } from "../../../../src/hub/local-streams.ts";
import type { HubOptions } from "../../../../src/hub/options.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { FakeSink } from "./fake-sink.ts";

export const NOW = 1_700_000_000_000;
export const HEARTBEAT_MS = 25_000;
export const AGE_MS = 3_600_000;
export const ring = new KeyRing({ current: new Uint8Array(32).fill(1) });

const fillRandom = (bytes: Uint8Array) => void crypto.getRandomValues(bytes);

/** A hub with a manual clock, recorded metrics, and a revocation log of 4 entries. */
export function createHub(change: Partial<HubOptions> = {}) {
  const clock = new ManualClock(NOW);
  const counters = new Map<string, number>();
  const gauges = new Map<string, number>();
  const observed = new Map<string, number[]>();
  const revocations = new RevocationLog(4);
  let signatures = 0;
  const signer: Signer = {
    keyId: ring.keyId,
    sign: (message) => {
      signatures++;
      return ring.sign(message);
    },
  };
  const metrics = {
    count: (name: string, labels = {}, by = 1) => {
      for (const key of [name, `${name} ${Object.values(labels)}`]) counters.set(key, (counters.get(key) ?? 0) + by);
    },
    gauge: (name: string, value: number, labels = {}) => void gauges.set(`${name} ${Object.values(labels)}`.trim(), value),
    observe: (name: string, value: number) => void observed.set(name, [...(observed.get(name) ?? []), value]),
  };
  let ids = 0;
  const hub = new Hub({
    ...{ signer, clock, metrics, revocations },
    eventIds: new EventIds(() => ring.eventIdKeys, fillRandom),
    fillRandom,
    newEventId: () => `made-${++ids}`,
    random: () => 0.5,
    defer: setImmediate,
    streams: { perSessionMax: 100, perUserMax: 100, perNetworkMax: 100, totalMax: 100 },
    outbox: { bytesMax: 1_000_000, messagesMax: 1000 },
    history: { eventsMax: 100, bytesMax: 100_000, totalBytesMax: 1_000_000, ageMs: 60_000 },
    heartbeatIntervalMs: HEARTBEAT_MS,
    streamAgeMs: AGE_MS,
    ...change,
  });
  const admissionOf = (deviceSessionId: string, userId: string, more: Partial<Admission>) => ({
    ...{ deviceSessionId, userId, peerNetwork: "192.0.2.1", resumeAfter: undefined },
    requestId: `request-of-${deviceSessionId}`,
    mark: revocations.mark(),
    ...more,
  });
  /** Registers a stream on the sink, and returns the sink. */
  const subscribe = (deviceSessionId: string, userId: string, sink = new FakeSink(), more: Partial<Admission> = {}) => {
    hub.register(admissionOf(deviceSessionId, userId, more), sink);
    return sink;
  };
  /** Registers a poll on the collector. */
  const poll = (deviceSessionId: string, userId: string, collector = collect(), more: Partial<Admission> = {}) =>
    hub.poll(admissionOf(deviceSessionId, userId, more), collector);
  /** Advances the clock, then lets the hub do what is due. */
  const advance = (ms: number) => {
    clock.advance(ms);
    hub.tick();
  };
  const streams = () => hub.list({ after: 0, limit: 1000, userId: undefined, deviceSessionId: undefined }).streams.length;
  return {
    hub,
    admissionOf,
    subscribe,
    poll,
    advance,
    clock,
    metrics,
    revocations,
    counters,
    gauges,
    observed,
    streams,
    signatures: () => signatures,
  };
}

/** A collector for a poll, with room for many events. */
export function collect(change: Partial<EventCollectorParts> = {}): EventCollector {
  return new EventCollector({ codec: "proto", protocol: "connect", eventsMax: 100, bytesMax: 1_000_000, ...change });
}

/** A backend event `e-1` without a recipient. */
export const event = (change: Partial<ClientEvent>): ClientEvent => ({
  userId: "",
  deviceSessionId: "",
  eventType: "chat.message",
  eventId: "e-1",
  payloadBytes: new TextEncoder().encode('{"text":"hi"}'),
  ...change,
});

/** The reason of the refusal that the call throws, with the values of its metadata; "admitted" if it throws none. */
export function refusalOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Error && "reason" in error && "metadata" in error)) throw error;
    return [error.reason, ...Object.values(Object(error.metadata))].join(" ");
  }
  return "admitted";
}

/** Refuses new streams and ends all open ones. */
export function shutDown(hub: Hub): void {
  hub.beginEnd();
  hub.refuseStreams();
  hub.endStreams();
}

/** The streams of a hub whose history is filled. */
export function localStreams({ hub, clock }: Pick<ReturnType<typeof createHub>, "hub" | "clock">): LocalStreams {
  return new LocalStreams({ hub, clock, historyFilled: async () => {}, defer: setImmediate });
}
