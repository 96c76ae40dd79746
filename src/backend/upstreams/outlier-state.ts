import type { HttpFailureKind } from "../rest/http-failure.ts";
import type { OutlierSettings } from "./settings.ts";

/** The consecutive failures of one address in one pool, and its ejection (Envoy, "Outlier detection"). */
export class OutlierState {
  #failures = 0;
  #gatewayFailures = 0;
  #ejectedUntilMs: number | undefined;
  /** The duration of an ejection is `base_ejection_time` times this number, which grows by 1 with each ejection. */
  #multiplier = 0;

  get isEjected(): boolean {
    return this.#ejectedUntilMs !== undefined;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#gatewayFailures = 0;
  }

  /**
   * Records a failure. Returns true if the number of failures in a row reaches a threshold. For `consecutive5xx`, every failure
   * counts. For `consecutiveGatewayFailure`, only 502, 503, 504, failed connections and timeouts count, as in Envoy.
   */
  failed(kind: HttpFailureKind, { consecutive5xx, consecutiveGatewayFailure }: OutlierSettings): boolean {
    this.#failures++;
    this.#gatewayFailures = kind === "bad_response" ? 0 : this.#gatewayFailures + 1;
    return isReached(this.#failures, consecutive5xx) || isReached(this.#gatewayFailures, consecutiveGatewayFailure);
  }

  /** Ejects the address. Returns the duration of the ejection in ms. */
  eject(nowMs: number, { baseEjectionTimeMs, maxEjectionTimeMs }: OutlierSettings): number {
    this.#multiplier++;
    const durationMs = Math.min(baseEjectionTimeMs * this.#multiplier, Math.max(maxEjectionTimeMs, baseEjectionTimeMs));
    this.#ejectedUntilMs = nowMs + durationMs;
    this.succeeded();
    return durationMs;
  }

  /**
   * Call this at each interval of the outlier detection. If the time of the ejection is over, ends the ejection and returns true.
   * If the address is not ejected, this call shortens its next ejection.
   */
  sweep(nowMs: number): boolean {
    if (this.#ejectedUntilMs === undefined) {
      this.#multiplier = Math.max(0, this.#multiplier - 1);
      return false;
    }
    if (nowMs < this.#ejectedUntilMs) return false;
    this.#ejectedUntilMs = undefined;
    this.succeeded();
    return true;
  }
}

/** A threshold of 0 is never reached. */
function isReached(count: number, threshold: number): boolean {
  return threshold > 0 && count >= threshold;
}
