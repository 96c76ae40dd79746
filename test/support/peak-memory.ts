/** Peak resident memory since a reset (proc(5), `VmHWM` and `clear_refs`). Linux only. */
import { readFileSync, writeFileSync } from "node:fs";

const FORGET_PEAK = "5";

/** Answers to a parent process. */
export const PEAK_MEMORY = {
  /** Resets the peak. Returns the resident bytes after a garbage collection. */
  forgetPeak(): number {
    Bun.gc(true);
    writeFileSync("/proc/self/clear_refs", FORGET_PEAK);
    return kilobytes("VmRSS") * 1024;
  },
  peakBytes: () => kilobytes("VmHWM") * 1024,
};

function kilobytes(field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync("/proc/self/status", "utf8"));
  return Number(found?.[1]);
}
