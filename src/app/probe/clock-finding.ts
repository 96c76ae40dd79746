import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import { type Finding, ok, warning } from "./finding.ts";

/** Clock differences of at most this many ms are not reported. `Date` headers have whole seconds, and answers take time. */
const TOLERANCE_MS = 2000;

/** Compares the clock of this machine with the clock of another server. */
export function clockFinding(server: string, theirMs: number, config: Config, clock: Clock): Finding {
  const differenceMs = clock.now() - theirMs;
  const seconds = Math.round(Math.abs(differenceMs) / 1000);
  const setting = "freshness.margin_ms";
  if (Math.abs(differenceMs) <= Math.max(TOLERANCE_MS, config["freshness.margin_ms"])) {
    return ok(setting, `the clock agrees with that of ${server}`);
  }
  const direction = differenceMs > 0 ? "ahead of" : "behind";
  return warning(
    setting,
    `the clock of this machine is ${seconds} s ${direction} that of ${server}; synchronise both with NTP`,
  );
}
