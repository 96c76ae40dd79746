import { IDENTITY_HEADER_KEYS } from "./identity-headers.ts";
import type { Rule } from "./rule.ts";

/** The rules between the settings of routes. */
export const ROUTE_RULES: readonly Rule[] = [
  {
    keys: IDENTITY_HEADER_KEYS,
    violation(config) {
      const names = IDENTITY_HEADER_KEYS.map((key) => config[key].toLowerCase());
      return IDENTITY_HEADER_KEYS.flatMap((key, index) => {
        const earlier = names.indexOf(names[index] ?? "");
        if (earlier === index) return [];
        return [{ key, at: [], text: `the same header as ${IDENTITY_HEADER_KEYS[earlier]}, expected a different one` }];
      });
    },
  },
];
