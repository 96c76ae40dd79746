const INTERVAL_MS = 1000;
/** Number of freed bytes after which a full garbage collection runs. About 200,000 expired entries take this memory. */
const COLLECT_AT_BYTES = 8 * 1024 * 1024;

/**
 * Calls `trim` every second. `trim` returns the number of bytes that it freed. After every `COLLECT_AT_BYTES` freed bytes, runs
 * a full garbage collection, which pauses the process for about 20 ms.
 *
 * The reason: JavaScriptCore collects garbage only while the program allocates memory. An idle process would thus keep the
 * freed buffers.
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
