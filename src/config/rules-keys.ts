import { KEY_SET_AGE_MS_MAX } from "../core/keys.ts";
import type { Rule } from "./rule.ts";
import type { Config } from "./schema.ts";

/**
 * Returns the time until a future `keys.rotate_at`, in ms, if it is shorter than `KEY_SET_AGE_MS_MAX`. Otherwise, returns
 * `undefined`. Clients may cache the public keys for `KEY_SET_AGE_MS_MAX`. So after such an early rotation, a client may not know
 * the new key yet.
 */
export function earlyRotationMs(config: Config, nowMs: number): number | undefined {
  const leftMs = Date.parse(config["keys.rotate_at"] ?? "") - nowMs;
  return leftMs > 0 && leftMs < KEY_SET_AGE_MS_MAX ? leftMs : undefined;
}

export const KEY_RULES: readonly Rule[] = [
  {
    keys: ["keys.rotate_at", "keys.next", "keys.next_file"],
    violation(config) {
      const hasNext = config["keys.next"] !== undefined || config["keys.next_file"] !== undefined;
      if (config["keys.rotate_at"] === undefined || hasNext) return undefined;
      return "keys.rotate_at is given without keys.next or keys.next_file, expected the key that signs from then on";
    },
  },
];
