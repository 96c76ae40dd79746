import { createHash } from "node:crypto";
import { pollEvents } from "../../../src/client/event-poll.ts";
import type { FetchEventsOptions } from "../../../src/client/options.ts";
import type { StreamTiming } from "../../../src/client/stream-timing.ts";
import type { StreamTransport, SubscriptionEvent } from "../../../src/client/subscription-event.ts";
import type { OpenOptions, StreamOpener } from "../../../src/client/transport-choice.ts";
import type { VerifiedEvent } from "../../../src/client/verify.ts";

/** A scripted source of verified events: what the openers of a subscription give, without network and signatures. */

export const HEARTBEAT_MS = 25_000;

export function verified(eventType: string, eventId: string, payload: object, timestampMs: number): VerifiedEvent {
  const payloadBytes = new TextEncoder().encode(JSON.stringify(payload));
  const payloadHash = new Uint8Array(createHash("sha256").update(payloadBytes).digest());
  const evidence = { keyId: "k", timestampMs, payloadHash, signingInput: payloadBytes, signature: new Uint8Array(64) };
  const audience = eventType === "gateway.heartbeat" ? "all" : "user:u-1";
  return { eventType, eventId, audience, timestampMs, payload: { ...payload }, payloadBytes, evidence };
}

/** The backend's events, in order: number n is `log[n - 1]`. */
export class FakeBackend {
  readonly log: VerifiedEvent[] = [];
  readonly #timing: StreamTiming;
  #changed = Promise.withResolvers<void>();
  #created = 0;

  constructor(timing: StreamTiming) {
    this.#timing = timing;
  }

  now(): number {
    return this.#timing.now();
  }

  publish(count = 1, text = ""): void {
    for (let left = count; left > 0; left--) {
      const n = this.log.length + 1;
      this.log.push(verified("test.number", `ev-${n}`, { n, text }, this.now()));
    }
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Resolves to "event" when an event is published, and to "heartbeat" after an interval. */
  next(signal: AbortSignal): Promise<"event" | "heartbeat" | "aborted"> {
    return new Promise((resolve) => {
      const cancel = this.#timing.after(HEARTBEAT_MS, () => resolve("heartbeat"));
      this.#changed.promise.then(() => {
        cancel();
        resolve("event");
      });
      signal.addEventListener("abort", () => {
        cancel();
        resolve("aborted");
      });
    });
  }

  /** An event of a gateway. A stream can resume from `position`, unless it is `undefined`. */
  gatewayEvent(name: string, position: number | undefined, payload: object = {}): VerifiedEvent {
    const id = position === undefined ? `none-${++this.#created}` : `at-${position}-${++this.#created}`;
    return verified(`gateway.${name}`, id, payload, this.now());
  }
}

/** How a gateway and the network treat one stream. */
export interface Behaviour {
  /** The gateway knows no position before this event. */
  readonly historyFrom?: number;
  /** The number of events after the first one, after which the stream is cut. */
  readonly cutAfter?: number;
  /** A proxy repeats each event. */
  readonly duplicates?: boolean;
  /** A proxy withholds everything. */
  readonly buffers?: boolean;
  /** A proxy withholds the heartbeats after this number of them. */
  readonly muteAfter?: number;
  /** A proxy withholds everything that comes after this number of ms. */
  readonly withholdsAfterMs?: number;
  /** A proxy withholds the event `gateway.resync`. */
  readonly hidesResync?: boolean;
  /** The stream fails with this error before its first event. */
  readonly error?: Error;
  /** The stream is a sequence of FetchEvents calls. Only `historyFrom` applies to it. */
  readonly isPoll?: boolean;
}

export class CutError extends Error {}

/** One stream of a gateway. */
export async function* streamOf(
  backend: FakeBackend,
  { resumeAfter, signal }: OpenOptions,
  { historyFrom = 0, cutAfter = Number.POSITIVE_INFINITY, duplicates, buffers, hidesResync, error, ...rest }: Behaviour,
): AsyncGenerator<VerifiedEvent, void, undefined> {
  if (error !== undefined) throw error;
  const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  if (buffers) return void (await aborted);
  const { muteAfter = Number.POSITIVE_INFINITY, withholdsAfterMs = Number.POSITIVE_INFINITY } = rest;
  const withholdsAtMs = backend.now() + withholdsAfterMs;
  let heartbeats = 0;
  const position = positionOf(resumeAfter);
  const isResumed = position !== undefined && position >= historyFrom;
  const mustResync = resumeAfter !== undefined && !isResumed;
  const first = {
    ...{ server_time_ms: backend.now(), resumed: isResumed },
    heartbeat_interval_ms: HEARTBEAT_MS,
  };
  let at = isResumed ? position : backend.log.length;
  yield backend.gatewayEvent("server_time", mustResync ? undefined : at, first);
  if (mustResync && !hidesResync) yield backend.gatewayEvent("resync", at);
  for (let sent = 0; !signal.aborted; sent++) {
    while (at >= backend.log.length && !signal.aborted && sent < cutAfter) {
      if ((await backend.next(signal)) !== "heartbeat" || ++heartbeats > muteAfter) continue;
      if (backend.now() <= withholdsAtMs) yield backend.gatewayEvent("heartbeat", at);
    }
    if (signal.aborted) return;
    if (backend.now() > withholdsAtMs) return void (await aborted);
    const event = backend.log[at];
    if (sent >= cutAfter || event === undefined) throw new CutError("cut");
    yield event;
    if (duplicates) yield event;
    at++;
  }
}

/** The answer to one FetchEvents call. As in the gateway, its first event is signed last. */
async function answerOf(
  backend: FakeBackend,
  { resumeAfter, waitMs, signal }: FetchEventsOptions,
  { historyFrom = 0 }: Behaviour,
): Promise<VerifiedEvent[]> {
  const position = positionOf(resumeAfter);
  const resumed = position !== undefined && position >= historyFrom;
  const at = resumed ? position : backend.log.length;
  const mustResync = resumeAfter !== undefined && !resumed;
  if (!mustResync && waitMs !== 0 && signal && at >= backend.log.length) await backend.next(signal);
  const payload = { server_time_ms: backend.now(), resumed, heartbeat_interval_ms: HEARTBEAT_MS };
  const rest = mustResync ? [backend.gatewayEvent("resync", at)] : backend.log.slice(at);
  return [backend.gatewayEvent("server_time", mustResync ? undefined : at, payload), ...rest];
}

/** The number of the last event that the client has, if the gateway knows the id. */
function positionOf(resumeAfter: string | undefined): number | undefined {
  const asked = /^(?:ev|at)-(\d+)/.exec(resumeAfter ?? "")?.[1];
  return asked === undefined ? undefined : Number(asked);
}

/** An opener whose streams behave as the list says, one entry per stream; the last entry repeats. */
export function openerOf(backend: FakeBackend, behaviours: readonly Behaviour[], transport: StreamTransport = "fetch") {
  const opened: (string | undefined)[] = [];
  const opener: StreamOpener = {
    transport,
    limits: { firstEventMs: 8000, ...(transport === "poll" && { silenceMs: 40_000 }) },
    open(options) {
      const behaviour = behaviours[Math.min(opened.length, behaviours.length - 1)] ?? {};
      opened.push(options.resumeAfter);
      if (behaviour.isPoll) return pollEvents((call) => answerOf(backend, call, behaviour), options);
      return streamOf(backend, options, behaviour);
    },
  };
  return { opener, opened };
}

/** What the app received: the numbers of the backend's events, and "resync". */
export function sequenceOf(events: readonly SubscriptionEvent[]): (number | "resync")[] {
  return events.flatMap<number | "resync">(({ kind, payload }) => {
    if (kind === "resync") return ["resync"];
    return kind === "event" ? [Number(Object(payload).n)] : [];
  });
}
