import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import Ajv from "ajv/dist/2020";
import { configSchema } from "../../../src/config/config-schema.ts";
import { parseJson, parseYaml } from "../../../src/config/parse-yaml.ts";
import { CONFIG_KEYS, SCHEMA } from "../../../src/config/schema.ts";

/** The schema for editors marks what `serve` refuses, and nothing that `serve` accepts. */

const ajv = new Ajv({ strict: true, allErrors: true });
ajv.addVocabulary(["x-unit"]);
const validate = ajv.compile(configSchema());

const isValid = (file: unknown): boolean => validate(file);

/** Returns a file with one setting in its tables. */
function fileWith(key: string, raw: unknown): unknown {
  return key.split(".").reduceRight<unknown>((inner, name) => ({ [name]: inner }), raw);
}

describe("examples", () => {
  const root = join(import.meta.dir, "../../..");
  const pages = ["*.md", "{proto,src}/**/*.md"].flatMap((glob) => [...new Bun.Glob(glob).scanSync(root)]);
  const examples = pages.flatMap((page) => {
    const blocks = Bun.file(join(root, page)).text();
    return { page, blocks };
  });

  test("the examples of the pages are valid", async () => {
    let count = 0;
    for (const { page, blocks } of examples) {
      const toml = [...(await blocks).matchAll(/^( *)```toml\n([\s\S]*?)^ *```$/gm)].map(([, indent = "", text = ""]) =>
        text.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
      );
      for (const text of toml) {
        count++;
        expect({ page, text, errors: isValid(Bun.TOML.parse(text)) ? [] : validate.errors }).toMatchObject({ errors: [] });
      }
    }
    expect(count).toBeGreaterThanOrEqual(3);
  });

  test("YAML and JSON files are valid, with dotted names and empty tables", () => {
    expect(
      isValid(parseYaml("# yaml-language-server: $schema=x\nlog:\nedge: { listen: '[::]:80' }\npush.ping_ms: 10").value),
    ).toBe(true);
    expect(isValid(parseJson('{ "$schema": "./sallyport.schema.json", "log.level": "warn" }').value)).toBe(true);
  });
});

describe("a wrong file is refused", () => {
  const row = { message_type: "a.b", method: "GET", path: "/api/v1/user/x" };
  test.each([
    ["a misspelt table", { bakend: { url: "http://b.example" } }],
    ["a misspelt key", { backend: { ulr: "http://b.example" } }],
    ["a misspelt dotted key", { "backend.ulr": "http://b.example" }],
    ["a URL without a scheme", { backend: { url: "b.example:9000" } }],
    ["a URL with a password", { backend: { url: "http://a:b@b.example" } }],
    ["a time with a unit", { backend: { timeout_ms: "5s" } }],
    ["a number as a text", { backend: { timeout_ms: "5000" } }],
    ["a number out of bounds", { backend: { timeout_ms: 0 } }],
    ["a number with decimals", { backend: { timeout_ms: 1.5 } }],
    ["a port alone", { edge: { listen: 8080 } }],
    ["an address without a port", { edge: { listen: "0.0.0.0" } }],
    ["a boolean as a text", { reflection: { enabled: "yes" } }],
    ["a wrong choice", { log: { level: "verbose" } }],
    ["an origin with a path", { cors: { origins: ["https://app.example/"] } }],
    ["a text in place of a list", { cors: { origins: "https://app.example" } }],
    ["a proxy that is a host name", { trusted_proxies: ["proxy.example"] }],
    ["a short seed", { keys: { current: "c2VlZA==" } }],
    ["a route without a method", { routes: [{ message_type: "a.b", path: "/api/v1/user/x" }] }],
    ["a route with a wrong method", { routes: [{ ...row, method: "FETCH" }] }],
    ["a route with an unknown field", { routes: [{ ...row, retires: 3 }] }],
    ["a route with a budget without a burst", { routes: [{ ...row, budget: { rate: 1 } }] }],
    ["one route in place of a list", { routes: row }],
    ["a list in place of a table", { edge: [] }],
    ["a value under a dotted name", { "backend.timeout_ms": "5s" }],
  ])("%s", (_, file) => expect(isValid(file)).toBe(false));

  test("but not a right file", () => expect(isValid({ routes: [row], edge: { listen: "0.0.0.0:80" } })).toBe(true));
});

/** Values of each JSON type. A new kind of setting must have a schema that tells these apart as its decoder does. */
const SAMPLES = [true, false, 0, 1, -1, 0.5, 5000, 1e15, {}, [], [1], [true], [{}], [[]], ["EdDSA", "EdDSA"]];
const TEXTS = [
  "",
  "x",
  "memory",
  "https://app.example",
  "10.0.0.0/8",
  "/a/{b}",
  "127.0.0.1:80",
  "*",
  "redis://r.example",
  "a.b",
];

describe.each([...CONFIG_KEYS])("%s", (key) => {
  const { decoder, rawDefault } = SCHEMA[key];

  test("the schema and the decoder agree on the type", () => {
    const accepted = SAMPLES.filter((raw) => decoder.decode(raw).ok);
    expect(SAMPLES.filter((raw) => isValid(fileWith(key, raw)))).toEqual(accepted);
  });

  test("the schema accepts each text that the decoder accepts, an absent value as the decoder does, and the default", () => {
    const accepted = TEXTS.filter((raw) => decoder.decode(raw).ok);
    expect(accepted.filter((raw) => !isValid(fileWith(key, raw)))).toEqual([]);
    expect(isValid(fileWith(key, null))).toBe(decoder.decode(null).ok);
    if (rawDefault !== undefined) expect(isValid(fileWith(key, rawDefault))).toBe(true);
  });
});

test("the schema has the description, the default, the bounds and the unit of a number", () => {
  const { backend } = configSchema().properties ?? {};
  expect(backend?.properties?.["timeout_ms"]).toEqual({
    description: SCHEMA["backend.timeout_ms"].doc,
    default: 5000,
    type: "integer",
    minimum: 1,
    maximum: 120_000,
    "x-unit": "ms",
  });
  expect(backend?.properties?.["token"]).toMatchObject({ writeOnly: true });
});
