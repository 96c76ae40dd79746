import { describe, expect, test } from "bun:test";
import { PayloadSchema, type Violation } from "../../../src/schema/payload-schema.ts";
import { SchemaFiles } from "../../../src/schema/schema-files.ts";

/** Payloads that take minutes or hours in validators without bounds. Each check takes a few tenths of a second; a busy machine may need longer. */

const CHECK_MS_MAX = 10_000;

function checked(schema: unknown, json: string): Violation | undefined {
  const text = typeof schema === "string" ? schema : JSON.stringify(schema);
  const files = new SchemaFiles({ baseUri: undefined, readFile: () => text });
  const compiled = PayloadSchema.of(files.read("schema.json"));
  const started = performance.now();
  const violation = compiled.violationOf(json);
  expect(performance.now() - started).toBeLessThan(CHECK_MS_MAX);
  return violation;
}

const STEPS = { pointer: "", keyword: "steps" };

describe("patterns that backtrack exponentially match in linear time", () => {
  test.each(["^(a+)+$", "^(a|aa)+$", "^(a|a?)+$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$", "^(.*a){20}$"])(
    "%s",
    (pattern) => {
      const text = `${"a".repeat(5_000)}!`;
      expect(checked({ properties: { a: { pattern } } }, JSON.stringify({ a: text }))?.keyword).toMatch(/^(pattern|steps)$/);
      expect(checked({ patternProperties: { [pattern]: false } }, JSON.stringify({ [text]: 1 }))?.keyword).not.toBe("pattern");
      expect(checked({ propertyNames: { pattern } }, JSON.stringify({ [text]: 1 }))).toBeDefined();
    },
  );

  test("a large program on a long text ends by its steps", () => {
    expect(checked({ pattern: "^(a?){400}(b?){400}$" }, JSON.stringify("a".repeat(200_000)))).toEqual(STEPS);
  });
});

describe("uniqueItems is not quadratic", () => {
  const count = 20_000;
  test("many different objects", () => {
    const items = Array.from({ length: count }, (_, at) => ({ a: at, b: 0 }));
    expect(checked({ uniqueItems: true }, JSON.stringify(items))).toBeUndefined();
    expect(checked({ uniqueItems: true }, JSON.stringify([...items, { b: 0, a: 7 }]))).toEqual({
      pointer: "",
      keyword: "uniqueItems",
    });
  });

  test("nested lists that each must be unique", () => {
    const schema = {
      $defs: { list: { uniqueItems: true, items: { anyOf: [{ type: "integer" }, { $ref: "#/$defs/list" }] } } },
      $ref: "#/$defs/list",
    };
    const numbers = Array.from({ length: 30_000 }, (_, at) => at).join(",");
    const deep = `${"[".repeat(300)}${numbers}${",-1]".repeat(300)}`;
    expect(checked(schema, deep)).toEqual(STEPS);
  });
});

test("a recursive schema that tries every combination ends by its steps", () => {
  const next = { properties: { next: { $ref: "#/$defs/node" } } };
  const schema = { $defs: { node: { type: "object", anyOf: [next, { ...next, minProperties: 0 }] } }, $ref: "#/$defs/node" };
  expect(checked(schema, `${'{"next":'.repeat(60)}1${"}".repeat(60)}`)).toEqual(STEPS);
});

test("unevaluatedProperties in a recursive schema ends by its steps", () => {
  const next = { properties: { next: { $ref: "#/$defs/node" } } };
  const schema = {
    $defs: { node: { anyOf: [next, { ...next, minProperties: 0 }], unevaluatedProperties: false } },
    $ref: "#/$defs/node",
  };
  expect(checked(schema, `${'{"next":'.repeat(60)}{}${"}".repeat(60)}`)).toEqual(STEPS);
});

test("a payload that is nested deeper than the stack is refused, and the next one is checked", () => {
  const schema = { $defs: { list: { items: { $ref: "#/$defs/list" } } }, $ref: "#/$defs/list" };
  expect(checked(schema, `${"[".repeat(120_000)}${"]".repeat(120_000)}`)).toEqual(STEPS);
  expect(checked(schema, "[[[]]]")).toBeUndefined();
});

test("a schema that refers to itself without an end is refused", () => {
  expect(checked({ $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" }, "1")).toEqual(STEPS);
});

/** The names `k0`, `k1`, … */
const names = (count: number) => Array.from({ length: count }, (_, at) => `k${at}`);
/** An array of 256 KiB of one item. */
const listOf = (item: string) => `[${Array(Math.floor(262_000 / (item.length + 1))).fill(item)}]`;

describe("a wide schema on a long payload is bounded", () => {
  test.each([
    ["enum of 10,000 values", { items: { enum: names(10_000) } }, listOf('"k9999"'), undefined],
    ["oneOf", { items: { oneOf: names(500).map((each) => ({ const: each })) } }, listOf('"k9"'), STEPS],
    ["anyOf by type", { items: { not: { anyOf: names(3000).map(() => ({ type: "string" })) } } }, listOf("1"), STEPS],
    ["properties", { items: { properties: Object.fromEntries(names(900).map((each) => [each, {}])) } }, listOf("{}"), STEPS],
    [
      "dependentRequired",
      { items: { dependentRequired: Object.fromEntries(names(900).map((each) => [each, ["a"]])) } },
      listOf("{}"),
      STEPS,
    ],
    [
      "patternProperties",
      { items: { patternProperties: Object.fromEntries(names(200).map((each) => [`^${each}`, {}])) } },
      listOf("{}"),
      STEPS,
    ],
  ])("%s", (_, schema, json, violation) => {
    expect(checked(schema, json)).toEqual(violation);
  });

  test("schemas that repeat each other, with unevaluatedProperties over many names", () => {
    const $defs = Object.fromEntries(
      names(15).map((each, at) => [each, { allOf: Array(2).fill({ $ref: `#/$defs/k${at + 1}` }) }]),
    );
    const schema = { $defs: { ...$defs, k15: {} }, $ref: "#/$defs/k0", unevaluatedProperties: {} };
    expect(checked(schema, JSON.stringify(Object.fromEntries(names(20_000).map((each) => [each, 1]))))).toEqual(STEPS);
  });

  test("more names than the compiler takes are refused at the start", () => {
    expect(() => checked({ properties: Object.fromEntries(names(5000).map((each) => [each, {}])) }, "{}")).toThrow(
      "properties has 5000 names, expected at most 1000",
    );
  });
});

describe("names of Object.prototype are names like others", () => {
  test.each([
    ["const", '{"const":{"a":1}}', '{"valueOf":1}'],
    ["enum", '{"enum":[{"a":1}]}', '{"toString":1}'],
    ["dependentRequired", '{"dependentRequired":{"__proto__":["a"]}}', '{"__proto__":1}'],
    ["dependentSchemas", '{"dependentSchemas":{"__proto__":false}}', '{"__proto__":1}'],
    ["patternProperties", '{"patternProperties":{"__proto__":false}}', '{"x__proto__":1}'],
    ["properties", '{"properties":{"__proto__":false}}', '{"__proto__":1}'],
    ["properties", '{"properties":{"constructor":false}}', '{"constructor":1}'],
    ["additionalProperties", '{"additionalProperties":false,"properties":{"a":{}}}', '{"__proto__":1}'],
    ["unevaluatedProperties", '{"unevaluatedProperties":false}', '{"__proto__":{"a":1}}'],
    ["propertyNames", '{"propertyNames":{"maxLength":3}}', '{"__proto__":1}'],
    ["required", '{"required":["__proto__"]}', "{}"],
    ["required", '{"required":["hasOwnProperty"]}', "{}"],
    ["minProperties", '{"minProperties":2}', '{"__proto__":1}'],
  ])("%s refuses: %s", (_, schema, json) => {
    expect(checked(schema, json)).toBeDefined();
  });

  test.each([
    ['{"const":{"constructor":{}}}', '{"constructor":{}}'],
    ['{"properties":{"__proto__":{"type":"object"}},"additionalProperties":false}', '{"__proto__":{"x":1}}'],
    ['{"properties":{"a":{}}}', '{"toString":1,"valueOf":2}'],
    ['{"dependentRequired":{"constructor":["a"]}}', "{}"],
    ['{"uniqueItems":true}', '[{"__proto__":1},{"__proto__":2},{}]'],
  ])("%s accepts %s", (schema, json) => {
    expect(checked(schema, json)).toBeUndefined();
  });
});

test("a large honest payload has enough steps", () => {
  const schema = {
    type: "array",
    items: {
      type: "object",
      properties: { id: { type: "integer" }, name: { type: "string", pattern: "^[a-z ]+$" } },
      required: ["id"],
      additionalProperties: false,
    },
  };
  const items = Array.from({ length: 8_000 }, (_, id) => ({ id, name: "somebody or other" }));
  expect(checked(schema, JSON.stringify(items))).toBeUndefined();
});

test("a violation has a bounded pointer, and nothing of the payload's values or the schema's", () => {
  const name = `~/é${"x".repeat(1000)}`;
  const violation = checked(
    { additionalProperties: { const: "secret of the schema" } },
    JSON.stringify({ [name]: "secret of the payload" }),
  );
  expect(violation?.keyword).toBe("const");
  expect(violation?.pointer).toHaveLength(256);
  expect(violation?.pointer).toStartWith("/~0~1é");
  expect(JSON.stringify(violation)).not.toContain("secret");
});

test("the pointer names the place: a missing, an additional, an unevaluated and a nested value", () => {
  const schema = {
    properties: {
      items: { items: { required: ["sku"], additionalProperties: false, properties: { sku: { type: "string" } } } },
    },
    unevaluatedProperties: false,
  };
  expect(checked(schema, '{"items":[{"sku":"a"},{}]}')).toEqual({ pointer: "/items/1/sku", keyword: "required" });
  expect(checked(schema, '{"items":[{"sku":"a","a/b":1}]}')).toEqual({
    pointer: "/items/0/a~1b",
    keyword: "additionalProperties",
  });
  expect(checked(schema, '{"items":[{"sku":5}]}')).toEqual({ pointer: "/items/0/sku", keyword: "type" });
  expect(checked(schema, '{"other":1}')).toEqual({ pointer: "/other", keyword: "unevaluatedProperties" });
  expect(checked(false, "1")).toEqual({ pointer: "", keyword: "false" });
});

test("many divisions of numbers with far exponents take bounded time", () => {
  const numbers = Array.from({ length: 20_000 }, () => "1.7976931348623157e308").join(",");
  const allOf = Array.from({ length: 400 }, () => ({ multipleOf: 5e-324 }));
  expect(checked({ items: { allOf } }, `[${numbers}]`)).toEqual(STEPS);
});
