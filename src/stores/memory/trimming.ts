const INTERVAL_MS = 1000;
/** Number of freed bytes after which a full garbage collection runs. It is the memory of about 200,000 expired entries. */
const COLLECT_AT_BYTES = 8 * 1024 * 1024;

/**
 * Calls `trim` every second. `trim` returns the number of bytes that it freed.
 *
 * JavaScriptCore collects garbage only when the program allocates memory. So after a load, an idle process would keep the freed buffers.
 * Therefore a full collection runs each time `COLLECT_AT_BYTES` were freed. It pauses the process for about 20 ms.
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
