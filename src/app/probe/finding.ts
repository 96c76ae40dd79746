import type { GatewayConfig } from "../../config/rules.ts";
import type { Clock } from "../../core/clock.ts";

/** One result of a probe. A probe can have several results. */
export interface Finding {
  readonly verdict: "ok" | "warning" | "error";
  readonly setting: string;
  /** What the probe found. If `verdict` is not `ok`, also what to do. Contains no secret. */
  readonly text: string;
}

export interface ProbeParts {
  readonly clock: Clock;
  /** Timeout of each connection of a probe, in ms. */
  readonly timeoutMs: number;
}

/** Checks one thing that the gateway depends on. Never rejects. */
export type Probe = (config: GatewayConfig, parts: ProbeParts) => Promise<readonly Finding[]>;

export function ok(setting: string, text: string): Finding {
  return { verdict: "ok", setting, text };
}

export function warning(setting: string, text: string): Finding {
  return { verdict: "warning", setting, text };
}

export function error(setting: string, text: string): Finding {
  return { verdict: "error", setting, text };
}
