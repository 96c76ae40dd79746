import { isReloadable } from "./reloadable.ts";
import { CONFIG_KEYS, type ConfigKey, SCHEMA, variableOf } from "./schema.ts";

/** Returns the settings as a Markdown table, with one row per key in the order of the schema. */
export function settingsTable(): string {
  const rows = CONFIG_KEYS.map(
    (key) =>
      `| \`${key}\` | \`${variableOf(key)}\` | ${defaultOf(key)} | ${isReloadable(key) ? "yes" : "restart"} | ${cell(meaningOf(key))} |`,
  );
  return ["| Key | Variable | Default | Reload | Meaning |", "|---|---|---|---|---|", ...rows, ""].join("\n");
}

function meaningOf(key: ConfigKey): string {
  const { doc, secret } = SCHEMA[key];
  return secret ? `**Secret.** ${doc}` : doc;
}

const DIGITS = 4;

function defaultOf(key: ConfigKey): string {
  const raw = SCHEMA[key].rawDefault;
  if (raw === undefined) return "none";
  if (typeof raw === "string") return `\`${raw}\``;
  if (typeof raw === "number" && !Number.isInteger(raw)) return `\`${Number(raw.toPrecision(DIGITS))}\``;
  return `\`${JSON.stringify(raw)}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
