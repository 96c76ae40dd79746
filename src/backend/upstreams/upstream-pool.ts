import { Refusal } from "../../core/refusal.ts";
import { CallCancellation } from "../rest/call-cancellation.ts";
import { ConcurrencyLimiter } from "../rest/concurrency-limiter.ts";
import { type HttpAnswer, type HttpCall, isUsed } from "../rest/http-client.ts";
import { HttpFailure } from "../rest/http-failure.ts";
import { mayBeTruncated } from "../rest/truncated-answer.ts";
import type { Member } from "./member.ts";
import { Members, type MembersParts, type SharedUpstreams } from "./members.ts";
import { RetryBudget } from "./retry-budget.ts";
import type { PoolName } from "./settings.ts";

export interface UpstreamPoolOptions extends MembersParts {
  /** Maximum number of concurrent calls; see `ConcurrencyLimiter`. */
  readonly callsMax: number;
  readonly responseBytesMax: number;
}

/** Converts the answer of an attempt to the result of the call. Throws an `HttpFailure` if the answer is not usable. */
type ReadAnswer<T> = (answer: HttpAnswer) => T;

/** HTTP methods that may be sent twice (RFC 9110 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "PUT", "DELETE"]);
/**
 * Maximum number of repeats of a call if the last attempt sent nothing, because no connection was possible. If `retriesMax` is
 * larger, `retriesMax` is the maximum. If `retriesMax` is 0, no call is repeated.
 */
const UNSENT_REPEATS_MAX = 3;

/**
 * Calls the backend, at the address that the balancer chooses. Limits the number of concurrent calls, the duration of each call
 * and the size of each answer. Does not follow redirects.
 *
 * A call is repeated at another address if nothing was sent to the first one. Otherwise, it is repeated if it may be sent twice and
 * the retry budget allows a repeat.
 */
export class UpstreamPool {
  /** Maximum size of an answer, in bytes. */
  responseBytesMax: number;
  readonly #upstreams: SharedUpstreams;
  readonly #options: UpstreamPoolOptions;
  readonly #members: Members;
  readonly #limiter: ConcurrencyLimiter;
  readonly #budget: RetryBudget;
  /** Names of all upstreams whose gauges were ever set, so that `sample` can set the gauges of removed upstreams to 0. */
  readonly #sampled = new Set<string>();

  constructor(upstreams: SharedUpstreams, options: UpstreamPoolOptions) {
    const { pendingMax, retryBudgetPercent } = upstreams.settings;
    this.#upstreams = upstreams;
    this.#options = options;
    this.responseBytesMax = options.responseBytesMax;
    this.#members = new Members(upstreams, options);
    this.#limiter = new ConcurrencyLimiter(options.callsMax, pendingMax);
    this.#budget = new RetryBudget(retryBudgetPercent);
    this.#resize();
  }

  /**
   * Sends a call and returns the result of `read`. Throws an `HttpFailure` if the call gets no usable answer, for example after
   * its timeout. If `call.mayBeSent` throws a `Refusal`, throws this `Refusal`.
   */
  async call<T>(call: HttpCall, read: ReadAnswer<T>): Promise<T> {
    const cancellation = new CallCancellation(call.timeoutMs, call.signal, this.#upstreams.settings.responseTimeoutMs);
    try {
      const acquired = this.#limiter.acquire(cancellation.signal);
      if (acquired !== true && !(await acquired)) throw new HttpFailure("unavailable", "too many concurrent calls");
      try {
        if (this.#members.all.length === 0) await unlessAborted(this.#upstreams.ready(), cancellation.signal);
        return await this.#attempts(call, read, cancellation, acquired !== true);
      } finally {
        this.#limiter.release();
      }
    } catch (thrown) {
      const isFinal = thrown instanceof Refusal || (thrown instanceof HttpFailure && thrown.called !== undefined);
      throw isFinal ? thrown : cancellation.toFailure(thrown);
    } finally {
      cancellation.dispose();
    }
  }

  get name(): PoolName {
    return this.#options.name;
  }

  /** Applies changed addresses, credentials and settings. */
  refresh(): void {
    this.#members.refresh();
    this.#budget.adopt(this.#upstreams.settings.retryBudgetPercent);
    this.#resize();
  }

  sweep(): void {
    this.#members.sweep();
    this.#resize();
  }

  /** Sets the gauges of this pool. */
  sample(): void {
    const { metrics, name: calls } = this.#options;
    metrics.gauge("sallyport_upstream_pending", this.#limiter.waiting, { calls });
    for (const { name } of this.#upstreams.all) this.#sampled.add(name);
    for (const upstream of this.#sampled) {
      const members = this.#members.all.filter((member) => member.upstream.name === upstream);
      const count = (holds: (member: Member) => boolean) => members.filter(holds).length;
      const active = members.reduce((sum, member) => sum + member.active, 0);
      metrics.gauge("sallyport_upstream_active", active, { upstream, calls });
      const states = {
        usable: count((member) => member.isUsable),
        ejected: count(({ outlier }) => outlier.isEjected),
        unhealthy: count(({ address }) => !address.isHealthy),
      };
      for (const [state, value] of Object.entries(states)) {
        metrics.gauge("sallyport_upstream_addresses", value, { upstream, calls, state });
      }
    }
  }

  /** Closes the idle connections. */
  close(): void {
    for (const member of this.#members.all) member.close();
  }

  async #attempts<T>(call: HttpCall, read: ReadAnswer<T>, cancellation: CallCancellation, waited: boolean): Promise<T> {
    this.#budget.earn();
    const tried: Member[] = [];
    let last: HttpFailure | undefined;
    for (;;) {
      const member = this.#members.next(tried);
      if (member === undefined) throw last ?? new HttpFailure("unavailable", "no address of the backend is usable");
      if (last !== undefined && !this.#mayRepeat(call, last, member, tried.length)) throw last;
      tried.push(member);
      try {
        return await this.#attempt(call, read, member, cancellation, waited || last !== undefined);
      } catch (thrown) {
        if (thrown instanceof Refusal) throw thrown;
        last = cancellation.toFailure(thrown).at(member.place);
        this.#record(member, last);
        if (cancellation.isOver || !last.isFault) throw last;
      }
    }
  }

  async #attempt<T>(
    call: HttpCall,
    read: ReadAnswer<T>,
    member: Member,
    cancellation: CallCancellation,
    waited: boolean,
  ): Promise<T> {
    const { metrics, clock } = this.#options;
    member.active++;
    let bodyWasRead = false;
    try {
      const signal = cancellation.beginAttempt();
      const hadTest = await this.#requireConnection(member, signal);
      const checking = call.mayBeSent?.(waited || hadTest);
      if (checking !== undefined) await unlessAborted(checking, signal);
      const answer = await member.send(
        call,
        Math.min(this.responseBytesMax, call.bytesMax ?? Number.POSITIVE_INFINITY),
        signal,
      );
      bodyWasRead = true;
      member.address.answered(clock.monotonic());
      if (isUsed(answer) && mayBeTruncated(answer)) throw new HttpFailure("unavailable", "the answer may be truncated");
      const result = readChecked(read, answer);
      this.#members.succeeded(member);
      metrics.count("sallyport_upstream_requests_total", member.labels("ok"));
      return result;
    } finally {
      cancellation.endAttempt(bodyWasRead);
      member.active--;
    }
  }

  /**
   * Tests the connection to an address that has not answered during the last `connectTimeoutMs`. Skips the test if calls may go
   * to only one address. Returns true if the call had to wait for the test. Throws an `HttpFailure` if the test fails.
   */
  async #requireConnection({ address }: Member, signal: AbortSignal): Promise<boolean> {
    const { connectTimeoutMs } = this.#upstreams.settings;
    if (this.#members.open.length === 1 || address.isAlive(connectTimeoutMs)) return false;
    const problem = await unlessAborted(address.test(connectTimeoutMs), signal);
    if (problem !== undefined) throw new HttpFailure("unavailable", problem, { isUnsent: true });
    return true;
  }

  #record(member: Member, failure: HttpFailure): void {
    const { metrics } = this.#options;
    metrics.count("sallyport_upstream_requests_total", member.labels(failure.isUnsent ? "not_connected" : failure.kind));
    if (failure.kind === "aborted") return;
    if (failure.isFault) this.#members.failed(member, failure);
    else this.#members.succeeded(member);
    this.#resize();
  }

  /** Returns true if a call may be sent to one more address. Charges the retry budget if the backend may get the call twice. */
  #mayRepeat({ method, isRepeatable, retriesMax: own }: HttpCall, last: HttpFailure, next: Member, attempts: number): boolean {
    const retriesMax = own ?? this.#upstreams.settings.retriesMax;
    if (retriesMax === 0) return false;
    const isAllowed = last.isUnsent
      ? attempts <= Math.max(retriesMax, UNSENT_REPEATS_MAX)
      : attempts <= retriesMax && (isRepeatable ?? IDEMPOTENT.has(method)) && this.#spend(next);
    if (isAllowed) this.#countRetry(next, last.isUnsent ? "not_sent" : "sent");
    return isAllowed;
  }

  #spend(next: Member): boolean {
    const isLeft = this.#budget.spend();
    if (!isLeft) this.#countRetry(next, "over_budget");
    return isLeft;
  }

  #countRetry({ upstream }: Member, kind: string): void {
    const { metrics, name: calls } = this.#options;
    metrics.count("sallyport_upstream_retries_total", { upstream: upstream.name, calls, kind });
  }

  /**
   * Limits the running calls of the pool to `callsMax`, and to `requestsMax` times the number of addresses that calls may go to.
   * Further calls wait (Envoy, "Circuit breaking").
   */
  #resize(): void {
    const { requestsMax, pendingMax } = this.#upstreams.settings;
    const addresses = Math.max(1, this.#members.open.length);
    this.#limiter.resize(Math.min(this.#options.callsMax, requestsMax * addresses), pendingMax);
  }
}

/** Calls `read`. Any error other than `HttpFailure` and `Refusal` means that the answer breaks the contract. */
function readChecked<T>(read: ReadAnswer<T>, answer: HttpAnswer): T {
  try {
    return read(answer);
  } catch (thrown) {
    throw thrown instanceof HttpFailure || thrown instanceof Refusal ? thrown : new HttpFailure("bad_response", thrown);
  }
}

/** Returns a promise with the same result as `work`. If the signal is aborted first, the promise rejects immediately. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
