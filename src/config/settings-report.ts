import { pathShown } from "../core/file-problem.ts";
import { isObject } from "./decoder.ts";
import type { JsonSchema } from "./json-schema.ts";
import type { Resolution } from "./load.ts";
import { CONFIG_KEYS, type Config, type ConfigKey, SCHEMA } from "./schema.ts";
import { originOf } from "./source.ts";

/** One effective setting. */
export interface ReportedSetting {
  readonly key: ConfigKey;
  /** The value in the spelling of a configuration file. `undefined` if the setting has no value. Contains no secret. */
  readonly value: unknown;
  /** Where the value comes from: `gateway.toml:12`, `variable SALLYPORT_LOG_LEVEL`, `flag --set` or `default`. */
  readonly source: string;
  /** True if the setting has a value that is not shown, because it is a secret. */
  readonly isHidden: boolean;
  /** Where each item comes from, if the value is a list of tables. Empty for other values. */
  readonly itemSources: readonly string[];
}

/** The text that stands for each secret. */
export const HIDDEN = "(secret)";

/** Returns every setting with its value and its source. `overrides` replace defaults of the schema. */
export function reportSettings({ config, settings }: Resolution, overrides: Partial<Config>): readonly ReportedSetting[] {
  return CONFIG_KEYS.map((key) => {
    const { rawDefault, decoder } = SCHEMA[key];
    const setting = settings.get(key);
    const raw = setting === undefined ? (overrides[key] ?? rawDefault) : setting.raw;
    const value = config[key] === undefined ? undefined : redacted(raw, decoder.schema, key);
    const source = setting === undefined ? "default" : originOf(setting);
    const rows = Array.isArray(raw) && raw.every(isObject) ? raw : [];
    const itemSources = rows.map((_, index) => (setting === undefined ? source : originOf(setting, [index])));
    return { key, value, source, isHidden: value === HIDDEN, itemSources };
  });
}

/** Returns a value without its secrets. `name` is the name of the setting or field that has the value. */
function redacted(raw: unknown, schema: JsonSchema, name: string): unknown {
  if (schema.writeOnly === true) return HIDDEN;
  if (Array.isArray(raw)) return raw.map((item) => redacted(item, schema.items ?? {}, name));
  if (typeof raw === "string" && name.endsWith("_file")) return pathShown(raw);
  if (!isObject(raw)) return raw;
  const fields = Object.entries(raw).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(fields.map(([field, value]) => [field, redacted(value, schema.properties?.[field] ?? {}, field)]));
}
