import { expect, test } from "bun:test";
import { CONFIG_KEYS, SCHEMA, variableOf } from "../../../src/config/schema.ts";
import { settingsTable } from "../../../src/config/settings-table.ts";

test("no two keys share a variable, and no key hides a table of others", () => {
  expect(new Set(CONFIG_KEYS.map(variableOf)).size).toBe(CONFIG_KEYS.length);
  expect(CONFIG_KEYS.filter((key) => CONFIG_KEYS.some((other) => other.startsWith(`${key}.`)))).toEqual([]);
  expect(CONFIG_KEYS.filter((key) => !/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/.test(key))).toEqual([]);
});

test("the reference has a row for every key, with its variable, default and meaning; secrets are marked", () => {
  const lines = settingsTable().trimEnd().split("\n");
  expect(lines).toHaveLength(CONFIG_KEYS.length + 2);
  for (const line of lines) expect(line.replaceAll("\\|", "").split("|")).toHaveLength(6);
  expect(lines[2]).toStartWith("| `edge.listen` | `SALLYPORT_EDGE_LISTEN` | `127.0.0.1:8080` | Address of");
  expect(lines.find((line) => line.includes("`keys.current`"))).toContain("| none | **Secret.** ");
  expect(lines.find((line) => line.includes("`budgets.send_code.rate`"))).toContain("| `0.01667` |");
});

test("every key says what it is in a sentence of its own", () => {
  const docs = CONFIG_KEYS.map((key) => SCHEMA[key].doc);
  expect(new Set(docs).size).toBe(docs.length);
  expect(docs.filter((doc) => !/^[A-Z`].{20,}\.$/.test(doc))).toEqual([]);
});
