import { hash } from "node:crypto";
import type { RedisCall } from "./call.ts";

/** A Lua script, which Redis runs atomically. It is called by its SHA-1 (EVALSHA); the text is sent once per server (EVAL). */
export class Script {
  readonly #text: string;
  readonly #sha1: string;

  constructor(text: string) {
    this.#text = text;
    this.#sha1 = hash("sha1", text, "hex");
  }

  /** Rejects with `RedisUnavailable`. */
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

/** The server restarted, or its script cache was flushed. The script did not run. */
function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && /\bNOSCRIPT\b/.test(error.message);
}

/** 132 bits of SHA-256. The hash has no secret key, so only its length makes collisions infeasible. */
const HASH_CHARS = 22;

/** A key of fixed length that does not reveal the two ids. The first id's length is hashed too: ("a", "bc") is not ("ab", "c"). */
export function hashedKey(prefix: string, first: string, second: string): string {
  return `${prefix}:${hash("sha256", `${first.length}:${first}${second}`, "base64url").slice(0, HASH_CHARS)}`;
}
