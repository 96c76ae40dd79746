import { isObject } from "./decoder.ts";

const BARE_KEY = /^[A-Za-z0-9_-]+$/;

/** Returns a value as TOML on one line. Objects become inline tables. */
export function tomlText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlText).join(", ")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const pairs = Object.entries(value).map(([name, inner]) => `${tomlKey(name)} = ${tomlText(inner)}`);
  return pairs.length === 0 ? "{}" : `{ ${pairs.join(", ")} }`;
}

function tomlKey(name: string): string {
  return BARE_KEY.test(name) ? name : JSON.stringify(name);
}
