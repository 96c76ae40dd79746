import { openLibc } from "./libc.ts";

/**
 * Bun's environment variable for the lifetime of cached DNS answers, in whole seconds. With 0, an answer is cached for less
 * than a second.
 */
const TIME_TO_LIVE = "BUN_CONFIG_DNS_TIME_TO_LIVE_SECONDS";

/**
 * Makes Bun cache DNS answers for less than a second, unless the operator has set `BUN_CONFIG_DNS_TIME_TO_LIVE_SECONDS`. By
 * default, Bun 1.4.5 caches DNS answers for 30 s, even if connections to the address fail
 * (https://github.com/oven-sh/bun/pull/38983).
 *
 * - Call this function before the first connection to a host name, because Bun reads the variable only once.
 * - The function sets the variable in the C library's environment, because Bun reads it there. A write to JavaScript's
 *   environment object does not change the C library's environment.
 * - Throws on systems other than Linux.
 */
export function shortenDnsCache(): void {
  const { symbols } = openLibc({ setenv: { args: ["cstring", "cstring", "int"], returns: "int" } });
  const isOverwritten = 0;
  if (symbols.setenv(zeroTerminated(TIME_TO_LIVE), zeroTerminated("0"), isOverwritten) !== 0) {
    throw new Error(`${TIME_TO_LIVE} cannot be set`);
  }
}

function zeroTerminated(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}
