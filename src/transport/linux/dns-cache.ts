import { openLibc } from "./libc.ts";

/** Bun's own variable, in whole seconds; 0 keeps an address for less than one. */
const TIME_TO_LIVE = "BUN_CONFIG_DNS_TIME_TO_LIVE_SECONDS";

/**
 * Bun 1.4.5 keeps the address of a name for 30 s, even if nobody listens there any more (https://github.com/oven-sh/bun/pull/38983). With
 * this, new connections go to an address that is at most a second old. An operator's own value of the variable stays.
 *
 * To be called before the first connection to a name: Bun reads the variable once, from the environment of the C library, which
 * JavaScript's copy does not reach. Throws where the system is not Linux.
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
