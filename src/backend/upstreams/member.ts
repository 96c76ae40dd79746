import type { HttpAnswer, HttpCall } from "../rest/http-client.ts";
import type { CalledAddress } from "../rest/http-failure.ts";
import type { Identity } from "./credentials.ts";
import { OutlierState } from "./outlier-state.ts";
import type { PoolName } from "./settings.ts";
import type { Upstream } from "./upstream.ts";
import type { UpstreamAddress } from "./upstream-address.ts";
import { Connection } from "./upstream-connection.ts";

/** At the beginning of the slow start, the weight of an address is multiplied by this factor (Envoy, `min_weight_percent`). */
const WARMTH_MIN = 0.1;

/** One address in one pool: its connections, its running calls and its failures. */
export class Member {
  upstream: Upstream;
  readonly address: UpstreamAddress;
  readonly outlier = new OutlierState();
  /** The weight of the upstream, divided by the number of its addresses. */
  weight = 0;
  /** Number of running calls. */
  active = 0;
  /** The weight is multiplied by this factor. During the slow start, it grows from `WARMTH_MIN` to 1. */
  warmth = 1;
  /** When the last ejection ended, in ms on the monotonic clock. Before any ejection: when the address became usable. */
  usableSinceMs: number;
  readonly #pool: PoolName;
  readonly #labels = new Map<string, Readonly<Record<string, string>>>();
  #connection: Connection;

  constructor(pool: PoolName, upstream: Upstream, address: UpstreamAddress, identity: Identity) {
    this.#pool = pool;
    this.upstream = upstream;
    this.address = address;
    this.usableSinceMs = address.usableSinceMs;
    this.#connection = new Connection(address, identity);
  }

  get isUsable(): boolean {
    return this.address.isHealthy && !this.outlier.isEjected;
  }

  /** The upstream and the address of this member, for log lines. */
  get place(): CalledAddress {
    return { upstream: this.upstream.name, address: this.address.hostAndPort };
  }

  send(call: HttpCall, bytesMax: number, signal: AbortSignal): Promise<HttpAnswer> {
    return this.#connection.send(call, bytesMax, signal);
  }

  /** If the credentials have changed, new calls get new connections. Running calls continue on the old connections. */
  useIdentity(identity: Identity): void {
    if (this.#connection.identity === identity) return;
    this.#connection.close();
    this.#connection = new Connection(this.address, identity);
  }

  /** Updates `warmth`. Returns true if the slow start has ended. */
  warm(nowMs: number, slowStartMs: number): boolean {
    const sinceMs = nowMs - Math.max(this.usableSinceMs, this.address.usableSinceMs);
    this.warmth = slowStartMs === 0 ? 1 : Math.min(1, Math.max(WARMTH_MIN, sinceMs / slowStartMs));
    return this.warmth === 1;
  }

  /** Returns the metric labels of a finished attempt. */
  labels(outcome: string): Readonly<Record<string, string>> {
    let labels = this.#labels.get(outcome);
    if (labels === undefined) {
      labels = { upstream: this.upstream.name, calls: this.#pool, outcome };
      this.#labels.set(outcome, labels);
    }
    return labels;
  }

  close(): void {
    this.#connection.close();
  }
}
