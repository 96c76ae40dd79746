import { openLibc } from "./libc.ts";

/** Bun's environment variable, in whole seconds. 0 keeps an address for less than a second. */
const TIME_TO_LIVE = "BUN_CONFIG_DNS_TIME_TO_LIVE_SECONDS";

/**
 * Bun 1.4.5 caches DNS answers for 30 s, even if connections to the address fail (https://github.com/oven-sh/bun/pull/38983). This
 * shortens the cache to less than a second. A value that the operator has set for the variable stays.
 *
 * Call it before the first connection to a name: Bun reads the variable once, from the environment of the C library, which writes to
 * JavaScript's environment object do not reach. Throws on other systems than Linux.
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
