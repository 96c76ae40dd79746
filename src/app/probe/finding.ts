import type { GatewayConfig } from "../../config/rules.ts";
import type { Clock } from "../../core/clock.ts";

/** The result of one probe, on one line. */
export interface Finding {
  readonly verdict: "ok" | "warning" | "error";
  /** The setting that the probe is about. */
  readonly setting: string;
  /** What was found and, unless it is ok, what to do. Contains no secret. */
  readonly text: string;
}

export interface ProbeParts {
  readonly clock: Clock;
  /** The time that each connection of a probe may take. */
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
