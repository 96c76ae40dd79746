import { IDENTITY_HEADER_KEYS } from "./identity-headers.ts";
import { INTERNAL_CALL_RULE } from "./internal-calls.ts";
import type { Rule } from "./rule.ts";

/** Rules that compare the routes with other settings, and the rule that no two identity headers have the same name. */
export const ROUTE_RULES: readonly Rule[] = [
  notAbove("payload_bytes_max", "limits.payload_bytes_max"),
  notAbove("response_bytes_max", "backend.response_bytes_max"),
  INTERNAL_CALL_RULE,
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

/**
 * Refuses a route whose `field` exceeds `setting`. Other rules compare `setting` with related limits. Because no `field` is
 * larger, these limits also fit each route.
 */
function notAbove(
  field: "payload_bytes_max" | "response_bytes_max",
  setting: "limits.payload_bytes_max" | "backend.response_bytes_max",
): Rule {
  return {
    keys: ["routes", setting],
    violation: (config) =>
      config.routes.flatMap(({ message_type, [field]: own = 0 }, index) => {
        if (own <= config[setting]) return [];
        const text = `${message_type}: got ${own}, expected at most ${setting} (${config[setting]})`;
        return [{ key: "routes" as const, at: [index, field], text }];
      }),
  };
}
