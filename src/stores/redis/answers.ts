import type {
  AnswerAge,
  AnswerBounds,
  AnswerClaim,
  AnswerStore,
  ClaimOutcome,
  KeyedRequest,
  OnEvicted,
} from "../../core/answers.ts";
import type { BackendReply } from "../../core/backend.ts";
import { Backoff } from "../../core/backoff.ts";
import { type Clock, sleep } from "../../core/clock.ts";
import { ANSWER_OVERHEAD_BYTES, ANSWER_SHARES, CLAIM_LEASE_MARGIN_MS, CLAIM_WAIT_MARGIN_MS } from "../../core/limits.ts";
import { refuse } from "../../core/refusal.ts";
import { ClaimInFlight } from "../claim-in-flight.ts";
import { type ClaimAttempt, waitForClaim } from "../claim-wait.ts";
import { CHECK_RIGHTS, CLAIM, type ClaimReply, KEEP, RELEASE, readClaim, readKeep } from "./answer-scripts.ts";
import { ClaimWatch } from "./claim-watch.ts";
import { LateReleases } from "./late-releases.ts";
import type { RedisLink } from "./link.ts";
import { RedisUnavailable, rethrowUnlessUnavailable } from "./redis-call.ts";
import { hashedId } from "./script.ts";
import type { StoreEpoch } from "./store-epoch.ts";

export interface RedisAnswerOptions extends AnswerBounds {
  readonly prefix: string;
  /** Identifies this gateway, so that the tokens of its claims differ from those of other gateways. */
  readonly origin: string;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
  readonly onEvicted?: OnEvicted | undefined;
}

interface OwnClaim {
  /** The hash of the session and the idempotency key. */
  readonly id: string;
  readonly token: string;
  readonly request: KeyedRequest;
  /** The time at which the lease of the claim ends, in ms on the monotonic clock. */
  readonly leaseEndMs: number;
  readonly inFlight: ClaimInFlight;
}

/**
 * Maximum time from the start of a claim to the reply of Redis, in ms: half of the lease margin. The other half is for storing
 * the answer.
 */
const CLAIM_REPLY_MS_MAX = CLAIM_LEASE_MARGIN_MS / 2;
/** Minimum interval between two checks of the Redis user's rights, in ms. */
const RIGHTS_CHECK_MS = 1000;
/** Bounds of the delays between attempts to store an answer while Redis is unavailable, in ms. */
const KEEP_RETRY_MS = { minMs: 50, maxMs: 1000 } as const;

/**
 * Kept answers and claims in Redis, shared by all gateways. Each step is one atomic script in one round trip.
 *
 * - A claim is a Redis key that expires when the lease ends. Each claim has its own token. So a gateway whose lease has ended
 *   cannot replace what another gateway has claimed or stored.
 * - A request that waits for a claim of the same gateway needs no round trips. A claim of another gateway is polled in Redis.
 * - If Redis loses its data, claims and kept answers are lost. A later request with the same idempotency key executes the command
 *   again.
 */
export class RedisAnswerStore implements AnswerStore {
  readonly #link: RedisLink;
  readonly #epoch: StoreEpoch;
  readonly #clock: Clock;
  readonly #options: RedisAnswerOptions;
  readonly #watch: ClaimWatch;
  readonly #lateReleases: LateReleases;
  readonly #closing = new AbortController();
  /**
   * The claims of this gateway, by `OwnClaim.id`. A claim is removed when it is released, when its answer is stored, or when the
   * attempts to store its answer end.
   */
  readonly #own = new Map<string, ClaimInFlight>();
  /** The time of the last successful check of the Redis user's rights, on the monotonic clock. */
  #rightsCheckedMs = Number.NEGATIVE_INFINITY;
  #claims = 0;
  #entries = 0;
  #bytes = 0;

  constructor(link: RedisLink, epoch: StoreEpoch, clock: Clock, options: RedisAnswerOptions) {
    this.#link = link;
    this.#epoch = epoch;
    this.#clock = clock;
    this.#options = options;
    this.#watch = new ClaimWatch(link, options.random, this.#closing.signal);
    this.#lateReleases = new LateReleases(link, clock, options.random, this.#closing.signal);
  }

  /** Number of the kept answers of all gateways. The value is from the last time that this gateway stored an answer. */
  get entries(): number {
    return this.#entries;
  }

  /** Size of the kept answers of all gateways, in bytes. The value is from the last time that this gateway stored an answer. */
  get bytes(): number {
    return this.#bytes;
  }

  close(): void {
    this.#closing.abort();
  }

  async claim(request: KeyedRequest, leaseMs: number, signal: AbortSignal): Promise<ClaimOutcome> {
    const attempt = () => this.#attempt(request, leaseMs);
    const first = await attempt();
    return first.kind === "busy" ? waitForClaim(first, attempt, leaseMs + CLAIM_WAIT_MARGIN_MS, signal) : first;
  }

  async #attempt(request: KeyedRequest, leaseMs: number): Promise<ClaimAttempt> {
    const { deviceSessionId, idempotencyKey, fingerprint } = request;
    const id = hashedId(deviceSessionId, idempotencyKey);
    const own = this.#own.get(id);
    if (own !== undefined) return own.fingerprint === fingerprint ? { kind: "busy", end: () => own.end() } : { kind: "reused" };
    const token = `${this.#options.origin}.${this.#claims++}`;
    const startedMs = this.#clock.monotonic();
    const leaseEndMs = startedMs + leaseMs;
    const reply = await this.#runClaim(id, token, request, leaseMs);
    switch (reply.verdict) {
      case "first":
        if (this.#clock.monotonic() - startedMs > CLAIM_REPLY_MS_MAX) return this.#refuseLate({ id, token, leaseEndMs });
        return this.#start({ id, token, request, leaseEndMs, inFlight: new ClaimInFlight(fingerprint) });
      case "kept":
        return { kind: "kept", reply: reply.reply, waited: false };
      case "busy":
        return { kind: "busy", end: () => this.#watch.end(this.#keyOf(id), reply.token) };
      case "reused":
        return { kind: "reused" };
    }
  }

  async #runClaim(id: string, token: string, { fingerprint, asOfMs }: KeyedRequest, leaseMs: number): Promise<ClaimReply> {
    const { id: epochId, markerKey } = this.#epoch;
    const args = [this.#options.prefix, epochId, fingerprint, token, String(leaseMs), String(asOfMs)];
    try {
      if (this.#clock.monotonic() - this.#rightsCheckedMs >= RIGHTS_CHECK_MS) await this.#checkRights();
      const reply = readClaim(await CLAIM.run(this.#link.call, [markerKey, this.#keyOf(id)], args));
      if (reply !== "epoch ended") return reply;
      // If the epoch id changed during this call, the gateway has already joined the new epoch, and needs no reset.
      if (epochId === this.#epoch.id) this.#link.reset("the server lost its memory");
      throw new RedisUnavailable("the server lost its memory");
    } catch (cause) {
      rethrowUnlessUnavailable(cause);
      // The script may have run although its reply was lost. Its claim would then block the command until the lease ends.
      void this.#release({ id, token, leaseEndMs: this.#clock.monotonic() + leaseMs });
      throw refuse("REPLAY_STORE_UNAVAILABLE", { cause });
    }
  }

  /**
   * Rejects if the Redis user has no right to run a Redis command that the scripts need. Runs before a claim, if the last check
   * is at least `RIGHTS_CHECK_MS` old. Without this check, a client's command could be executed although its answer cannot be
   * kept.
   */
  async #checkRights(): Promise<void> {
    const { prefix } = this.#options;
    await CHECK_RIGHTS.run(this.#link.call, [`${prefix}answers:trial-set`, `${prefix}answers:trial-hash`], []);
    this.#rightsCheckedMs = this.#clock.monotonic();
  }

  #start(claim: OwnClaim): ClaimAttempt {
    this.#own.set(claim.id, claim.inFlight);
    return {
      kind: "first",
      waited: false,
      claim: {
        keep: (reply, age) => this.#keep(claim, reply, age),
        release: async () => {
          await this.#release(claim);
          this.#end(claim, undefined);
        },
      } satisfies AnswerClaim,
    };
  }

  /** Stores the answer. If Redis is unavailable, returns false and continues to try until the lease ends. */
  async #keep(claim: OwnClaim, reply: BackendReply, age: AnswerAge): Promise<boolean> {
    claim.inFlight.settle(reply);
    try {
      const isKept = await this.#store(claim, reply, age);
      this.#end(claim, reply);
      return isKept;
    } catch (error) {
      rethrowUnlessUnavailable(error);
      void this.#keepLater(claim, reply, age);
      return false;
    }
  }

  async #keepLater(claim: OwnClaim, reply: BackendReply, age: AnswerAge): Promise<void> {
    const backoff = new Backoff({ ...KEEP_RETRY_MS, random: this.#options.random });
    const { signal } = this.#closing;
    for (let isDone = false; !isDone && !signal.aborted && this.#clock.monotonic() < claim.leaseEndMs; ) {
      await sleep(backoff.nextMs(), signal);
      isDone = await this.#store(claim, reply, age).then(() => true, notStored);
    }
    this.#end(claim, reply);
  }

  async #store({ id, token, request }: OwnClaim, reply: BackendReply, age: AnswerAge): Promise<boolean> {
    const { prefix, entriesMax, bytesMax } = this.#options;
    const body = Buffer.from(reply.payloadBytes).toString("latin1");
    // Redis stores the body as UTF-8, in which a character above 0x7F takes two bytes.
    const bytes = Buffer.byteLength(body, "utf8") + ANSWER_OVERHEAD_BYTES;
    const ids = [prefix, token, request.fingerprint];
    const answer = [reply.resultCode, body, String(age.keptUntilMs), String(age.storedUntilMs)];
    const place = [id, hashedId(request.deviceSessionId, ""), String(bytes)];
    const bounds = [String(entriesMax), String(bytesMax), String(ANSWER_SHARES)];
    const kept = readKeep(await KEEP.run(this.#link.call, [this.#keyOf(id)], [...ids, ...answer, ...place, ...bounds]));
    this.#entries = kept.entries;
    this.#bytes = kept.bytes;
    if (kept.evicted > 0) this.#options.onEvicted?.(kept.evicted);
    return kept.verdict === "kept";
  }

  /**
   * Releases a claim that Redis confirmed too late, and refuses the request. The lease of such a claim could end during the
   * backend call. Another gateway could then execute the same command.
   */
  async #refuseLate(claim: Pick<OwnClaim, "id" | "token" | "leaseEndMs">): Promise<never> {
    await this.#release(claim);
    throw refuse("REPLAY_STORE_UNAVAILABLE", { cause: new RedisUnavailable("the claim was confirmed too late") });
  }

  /** Ends a claim without an answer. If Redis is unavailable, the claim is released later. */
  async #release({ id, token, leaseEndMs }: Pick<OwnClaim, "id" | "token" | "leaseEndMs">): Promise<void> {
    const key = this.#keyOf(id);
    try {
      await RELEASE.run(this.#link.call, [key], [token]);
    } catch (error) {
      rethrowUnlessUnavailable(error);
      this.#lateReleases.add({ key, token, leaseEndMs });
    }
  }

  #end({ id, inFlight }: OwnClaim, reply: BackendReply | undefined): void {
    this.#own.delete(id);
    inFlight.settle(reply);
  }

  #keyOf(id: string): string {
    return `${this.#options.prefix}answer:${id}`;
  }
}

function notStored(error: unknown): false {
  rethrowUnlessUnavailable(error);
  return false;
}
