import type { Rule } from "./rule.ts";

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
