import { CONFIG_KEYS, type ConfigKey } from "./schema.ts";
import { closest } from "./suggest.ts";

/** Maximum number of settings that are suggested for a key without its table, such as `level`. */
const SUGGESTIONS_MAX = 3;

/** Returns the problem of an unknown key. If the key looks like a misspelt setting, appends this setting to `misspelt`. */
export function unknownKey(key: string, misspelt: ConfigKey[]): string {
  const found = closest(key, CONFIG_KEYS);
  if (found !== undefined) {
    misspelt.push(found);
    return `unknown key (did you mean "${found}"?)`;
  }
  const inTables = CONFIG_KEYS.filter((each) => each.endsWith(`.${key}`)).slice(0, SUGGESTIONS_MAX);
  if (inTables.length > 0) return `unknown key (did you mean ${inTables.map((each) => `"${each}"`).join(" or ")}?)`;
  return "unknown key; `sallyport config print` lists all keys";
}
