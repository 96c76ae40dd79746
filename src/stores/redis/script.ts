import { hash } from "node:crypto";
import type { RedisCall } from "./connection.ts";

/** A Lua script, which Redis runs as one atomic step. It is sent once for each server, and named by its hash from then on. */
export class Script {
  readonly #text: string;
  readonly #sha1: string;

  constructor(text: string) {
    this.#text = text;
    this.#sha1 = hash("sha1", text, "hex");
  }

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

/** The server has restarted, or its scripts were flushed. Nothing was run. */
function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && /\bNOSCRIPT\b/.test(error.message);
}
