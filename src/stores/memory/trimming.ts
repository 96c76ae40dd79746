const INTERVAL_MS = 1000;
/** As much as some 200,000 expired entries. */
const COLLECT_AT_BYTES = 8 * 1024 * 1024;

/**
 * Calls `trim` every second; it returns how many bytes it freed.
 *
 * JavaScriptCore collects garbage when the program allocates. After a load, an idle process would keep the freed buffers, so each
 * `COLLECT_AT_BYTES` of them cause a full collection: a pause of some 20 ms.
 */
export function trimRegularly(trim: () => number): { stop(): void } {
  let freedBytes = 0;
  const timer = setInterval(() => {
    freedBytes += trim();
    if (freedBytes < COLLECT_AT_BYTES) return;
    freedBytes = 0;
    Bun.gc(true);
  }, INTERVAL_MS).unref();
  return { stop: () => clearInterval(timer) };
}
