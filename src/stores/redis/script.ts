import { hash } from "node:crypto";
import type { RedisCall } from "./redis-call.ts";

/**
 * A Lua script, which Redis runs atomically. `run` sends only the SHA-1 of the script (EVALSHA). If the server does not know
 * the script, `run` sends its text (EVAL).
 */
export class Script {
  readonly #text: string;
  readonly #sha1: string;

  constructor(text: string) {
    this.#text = text;
    this.#sha1 = hash("sha1", text, "hex");
  }

  /** Runs the script. Rejects with `RedisUnavailable`. */
  async run(call: RedisCall, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const operands = [String(keys.length), ...keys, ...args];
    try {
      return await call("EVALSHA", [this.#sha1, ...operands]);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      return call("EVAL", [this.#text, ...operands]);
    }
  }
}

/**
 * Whether the error means that the server does not know the script, because the server has restarted or its script cache was
 * flushed. The script then did not run.
 */
function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && /\bNOSCRIPT\b/.test(error.message);
}

/**
 * Length of a hash in base64url characters. 22 characters hold 132 bits of SHA-256. The hash has no secret key. So it must be
 * so long that nobody can find two inputs with the same hash.
 */
const HASH_CHARS = 22;

/** Returns a Redis key of fixed length that does not reveal the two ids. */
export function hashedKey(prefix: string, first: string, second: string): string {
  return `${prefix}:${hashedId(first, second)}`;
}

/** Returns the hash of two ids. It also covers the length of the first id, so the pairs ("a", "bc") and ("ab", "c") differ. */
export function hashedId(first: string, second: string): string {
  return hash("sha256", `${first.length}:${first}${second}`, "base64url").slice(0, HASH_CHARS);
}
