import type {
  AnswerBounds,
  AnswerClaim,
  AnswerStore,
  ClaimOutcome,
  HandedAnswer,
  KeyedRequest,
  OnEvicted,
} from "../../core/answers.ts";
import type { BackendReply } from "../../core/backend.ts";
import type { Clock } from "../../core/clock.ts";
import { CLAIM_WAIT_MARGIN_MS } from "../../core/limits.ts";
import { ClaimInFlight } from "../claim-in-flight.ts";
import { type ClaimAttempt, waitForClaim } from "../claim-wait.ts";
import { type KeptAnswer, KeptAnswers } from "./kept-answers.ts";

export interface MemoryAnswerOptions extends AnswerBounds {
  readonly onEvicted?: OnEvicted | undefined;
}

/** A claim with a lease. `leaseEndMs` is the end of the lease on the monotonic clock. */
class LeasedClaim extends ClaimInFlight {
  readonly leaseEndMs: number;

  constructor(fingerprint: string, leaseEndMs: number) {
    super(fingerprint);
    this.leaseEndMs = leaseEndMs;
  }
}

/** Kept answers and claims in this process's memory. A restart loses both. */
export class MemoryAnswerStore implements AnswerStore {
  readonly #clock: Clock;
  readonly #kept: KeptAnswers;
  readonly #claims = new Map<string, LeasedClaim>();

  constructor(clock: Clock, { onEvicted = () => {}, ...bounds }: MemoryAnswerOptions) {
    this.#clock = clock;
    this.#kept = new KeptAnswers(bounds, onEvicted);
  }

  /** The number of kept answers. Expired answers are included until the next `trim`. */
  get entries(): number {
    return this.#kept.entries;
  }

  get bytes(): number {
    return this.#kept.bytes;
  }

  /** Frees the memory of expired answers. Returns the freed bytes. Call this method every second. */
  trim(): number {
    return this.#kept.trim({ wallMs: this.#clock.now(), monotonicMs: this.#clock.monotonic() });
  }

  /** Returns all kept answers, oldest first. At an upgrade, the successor gets them. */
  handOver(): HandedAnswer[] {
    const offsetMs = this.#clock.monotonic() - this.#clock.now();
    return this.#kept.all().map(({ clockOffsetMs, ...answer }) => ({ ...answer, clockSetAheadMs: clockOffsetMs - offsetMs }));
  }

  /** Stores an answer that the predecessor kept. */
  takeOver({ clockSetAheadMs, ...answer }: HandedAnswer): void {
    if (this.#kept.get(answer.name) !== undefined) return;
    const clockOffsetMs = this.#clock.monotonic() - this.#clock.now() + clockSetAheadMs;
    this.#kept.add({ ...answer, clockOffsetMs });
  }

  claim(request: KeyedRequest, leaseMs: number, signal: AbortSignal): ClaimOutcome | Promise<ClaimOutcome> {
    const name = nameOf(request);
    const attempt = () => this.#attempt(name, request, leaseMs);
    const first = attempt();
    return first.kind === "busy" ? waitForClaim(first, attempt, leaseMs + CLAIM_WAIT_MARGIN_MS, signal) : first;
  }

  #attempt(name: string, request: KeyedRequest, leaseMs: number): ClaimAttempt {
    const { fingerprint, asOfMs } = request;
    const nowMs = this.#clock.monotonic();
    const claim = this.#claims.get(name);
    if (claim !== undefined && claim.leaseEndMs > nowMs) {
      return claim.fingerprint === fingerprint ? { kind: "busy", end: () => claim.end() } : { kind: "reused" };
    }
    const kept = this.#kept.get(name);
    if (kept !== undefined && isInTime(kept, asOfMs, nowMs)) {
      return kept.fingerprint === fingerprint ? { kind: "kept", reply: kept.reply, waited: false } : { kind: "reused" };
    }
    if (kept !== undefined) this.#kept.remove(name);
    const own = new LeasedClaim(fingerprint, nowMs + leaseMs);
    this.#claims.set(name, own);
    return { kind: "first", claim: this.#holderOf(name, request, own), waited: false };
  }

  #holderOf(name: string, { deviceSessionId, fingerprint }: KeyedRequest, own: LeasedClaim): AnswerClaim {
    return {
      keep: (reply, age) => {
        const clockOffsetMs = this.#clock.monotonic() - this.#clock.now();
        const answer = { name, deviceSessionId, fingerprint, reply: compact(reply), age, clockOffsetMs };
        const isStored = this.#mayKeep(name, own) && this.#kept.add(answer);
        this.#end(name, own, reply);
        return isStored;
      },
      release: () => this.#end(name, own, undefined),
    };
  }

  /**
   * Returns true if the command has no claim except `own`, and no kept answer. After the lease of `own` has ended, another request
   * may have claimed the command or stored its answer.
   */
  #mayKeep(name: string, own: LeasedClaim): boolean {
    const current = this.#claims.get(name);
    return current === own || (current === undefined && this.#kept.get(name) === undefined);
  }

  #end(name: string, own: LeasedClaim, reply: BackendReply | undefined): void {
    if (this.#claims.get(name) === own) this.#claims.delete(name);
    own.settle(reply);
  }
}

/**
 * Returns true if a request gets the kept answer: the answer is still valid on the wall clock or on the monotonic clock. The
 * monotonic clock helps if the wall clock was set ahead after the answer was stored.
 */
function isInTime({ age: { keptUntilMs }, clockOffsetMs }: KeptAnswer, asOfMs: number, monotonicMs: number): boolean {
  return asOfMs <= keptUntilMs || monotonicMs <= keptUntilMs + clockOffsetMs;
}

/** Copies the payload if it is part of a larger buffer, so that the store does not keep the whole buffer in memory. */
function compact(reply: BackendReply): BackendReply {
  const { resultCode, payloadBytes } = reply;
  return payloadBytes.byteLength === payloadBytes.buffer.byteLength
    ? reply
    : { resultCode, payloadBytes: payloadBytes.slice() };
}

/**
 * Returns a text that identifies the session and the idempotency key. It starts with the length of the session id, so that the
 * pairs ("a", "bc") and ("ab", "c") get different texts.
 */
function nameOf({ deviceSessionId, idempotencyKey }: KeyedRequest): string {
  return `${deviceSessionId.length}:${deviceSessionId}${idempotencyKey}`;
}
