import { expect, test } from "bun:test";
import { CONFIG_KEYS, SCHEMA, variableOf } from "../../../src/config/schema.ts";
import { settingsTable } from "../../../src/config/settings-table.ts";

test("each key has a unique variable, and no key is a prefix of another", () => {
  expect(new Set(CONFIG_KEYS.map(variableOf)).size).toBe(CONFIG_KEYS.length);
  expect(CONFIG_KEYS.filter((key) => CONFIG_KEYS.some((other) => other.startsWith(`${key}.`)))).toEqual([]);
  expect(CONFIG_KEYS.filter((key) => !/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/.test(key))).toEqual([]);
});

test("the table has a row for every key with variable, default and description, says what a reload applies, and marks secrets", () => {
  const lines = settingsTable().trimEnd().split("\n");
  expect(lines).toHaveLength(CONFIG_KEYS.length + 2);
  for (const line of lines) expect(line.replaceAll("\\|", "").split("|")).toHaveLength(7);
  expect(lines[2]).toStartWith("| `edge.listen` | `SALLYPORT_EDGE_LISTEN` | `127.0.0.1:8080` | restart | Address and port of");
  expect(lines.find((line) => line.includes("`keys.current`"))).toContain("| none | yes | **Secret.** ");
  expect(lines.find((line) => line.includes("`budgets.send_code.rate`"))).toContain("| `0.01667` | yes |");
});

test("every key has a unique description of whole sentences", () => {
  const docs = CONFIG_KEYS.map((key) => SCHEMA[key].doc);
  expect(new Set(docs).size).toBe(docs.length);
  expect(docs.filter((doc) => !/^[A-Z`].{20,}\.$/.test(doc))).toEqual([]);
});
