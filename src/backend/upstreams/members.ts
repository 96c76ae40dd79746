import { describeCause } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log, Metrics } from "../../core/telemetry.ts";
import type { HttpFailure } from "../rest/http-failure.ts";
import { choose } from "./balancer.ts";
import type { Credentials } from "./credentials.ts";
import { Member } from "./member.ts";
import type { PoolName, UpstreamSettings } from "./settings.ts";
import type { Upstream } from "./upstream.ts";

export interface MembersParts {
  readonly name: PoolName;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The parts of `Upstreams` that all pools share. A reload and a DNS look-up change them. */
export interface SharedUpstreams {
  readonly settings: UpstreamSettings;
  readonly all: readonly Upstream[];
  readonly credentials: Pick<Credentials, "current">;
  /** Resolves when the first DNS look-up of each upstream has ended. */
  ready(): Promise<void>;
}

/** The addresses of one pool. Chooses the address of each call, and ejects addresses that fail. */
export class Members {
  readonly #upstreams: SharedUpstreams;
  readonly #parts: MembersParts;
  #all: readonly Member[] = [];
  /** The members that calls may go to: the usable ones, or all of them if too few are usable (Envoy, "Panic threshold"). */
  #open: readonly Member[] = [];
  #isPanic = false;
  #isWarming = false;

  constructor(upstreams: SharedUpstreams, parts: MembersParts) {
    this.#upstreams = upstreams;
    this.#parts = parts;
    this.refresh();
  }

  get all(): readonly Member[] {
    return this.#all;
  }

  get open(): readonly Member[] {
    return this.#open;
  }

  /**
   * Returns the address for the next attempt, or `undefined` if none is left. Skips the addresses in `tried`, and addresses that
   * already have `requestsMax` running calls.
   */
  next(tried: readonly Member[]): Member | undefined {
    const { requestsMax, slowStartMs } = this.#upstreams.settings;
    const { clock, random } = this.#parts;
    if (this.#isWarming) this.#warm(clock.monotonic(), slowStartMs);
    const open = this.#open;
    const isFree = (member: Member) => member.active < requestsMax && !tried.includes(member);
    return choose(open.every(isFree) ? open : open.filter(isFree), random);
  }

  succeeded(member: Member): void {
    member.outlier.succeeded();
  }

  /** Records a failure that the address has caused. Ejects the address if it has failed too often. */
  failed(member: Member, failure: HttpFailure): void {
    const { outlier } = this.#upstreams.settings;
    if (failure.kind === "unavailable") member.upstream.connectionFailed();
    const isDue = member.outlier.failed(failure.kind, outlier);
    if (!isDue || member.outlier.isEjected || !this.#mayEject(outlier.maxEjectionPercent)) return;
    const { clock, log, metrics, name: calls } = this.#parts;
    const durationMs = member.outlier.eject(clock.monotonic(), outlier);
    metrics.count("sallyport_upstream_ejections_total", { upstream: member.upstream.name, calls });
    const { kind, cause } = failure;
    const about = { upstream: member.upstream.name, address: member.address.hostAndPort, calls };
    log.warn("upstream address ejected", { ...about, for_ms: durationMs, failure: kind, cause: describeCause(cause) });
    this.#reopen();
  }

  /** Makes addresses usable again when their ejection has ended. Call this at each interval of the outlier detection. */
  sweep(): void {
    const { clock, log, name: calls } = this.#parts;
    const nowMs = clock.monotonic();
    const returned = this.#all.filter((member) => member.outlier.sweep(nowMs));
    for (const member of returned) {
      member.usableSinceMs = nowMs;
      log.info("upstream address ejection ended", {
        upstream: member.upstream.name,
        address: member.address.hostAndPort,
        calls,
      });
    }
    if (returned.length > 0) this.#reopen();
  }

  /** Applies the addresses, weights and credentials that the upstreams have now. */
  refresh(): void {
    const known = new Map(this.#all.map((member) => [keyOf(member), member]));
    const { current } = this.#upstreams.credentials;
    this.#all = this.#upstreams.all.flatMap((upstream) =>
      upstream.addresses.map((address) => {
        const before = known.get(keyOf({ upstream, address }));
        const member = before?.address === address ? before : new Member(this.#parts.name, upstream, address, current);
        member.upstream = upstream;
        member.weight = upstream.weight / upstream.addresses.length;
        member.useIdentity(current);
        return member;
      }),
    );
    for (const member of known.values()) if (!this.#all.includes(member)) member.close();
    this.#reopen();
  }

  /**
   * Returns true if one more address may be ejected. As in Envoy, the share of addresses that are already ejected must be below
   * `maxEjectionPercent`. If the pool has only one address, returns false.
   */
  #mayEject(maxEjectionPercent: number): boolean {
    const ejected = this.#all.filter(({ outlier }) => outlier.isEjected).length;
    return this.#all.length > 1 && (100 * ejected) / this.#all.length < maxEjectionPercent;
  }

  /**
   * Updates the members that calls may go to. If fewer than `panic_percent` of the addresses are usable, calls go to every address
   * (Envoy, "Panic threshold"), because the usable addresses alone could not take the whole load.
   */
  #reopen(): void {
    const { panicPercent }: UpstreamSettings = this.#upstreams.settings;
    const weighted = this.#all.filter(({ weight }) => weight > 0);
    const usable = weighted.filter(({ isUsable }) => isUsable);
    const isPanic = usable.length < weighted.length && 100 * usable.length < panicPercent * weighted.length;
    this.#open = isPanic ? weighted : usable;
    this.#isWarming = true;
    if (isPanic !== this.#isPanic) this.#logPanic(isPanic, usable.length, weighted.length);
    this.#isPanic = isPanic;
  }

  #logPanic(isPanic: boolean, usable: number, addresses: number): void {
    const { log, name: calls } = this.#parts;
    if (isPanic) log.warn("too few usable upstream addresses", { calls, usable_addresses: usable, total_addresses: addresses });
    else log.info("enough usable upstream addresses again", { calls, usable_addresses: usable, total_addresses: addresses });
  }

  #warm(nowMs: number, slowStartMs: number): void {
    let isWarming = false;
    for (const member of this.#open) if (!member.warm(nowMs, slowStartMs)) isWarming = true;
    this.#isWarming = isWarming;
  }
}

function keyOf({ upstream, address }: Pick<Member, "upstream" | "address">): string {
  return `${upstream.name} ${address.baseUrl}`;
}
