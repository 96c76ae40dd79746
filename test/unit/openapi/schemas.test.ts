import { describe, expect, test } from "bun:test";
import Ajv2020 from "ajv/dist/2020.js";
import fc from "fast-check";
import { importWithSchemas, type LoadedRoute } from "../../support/openapi/imported-schema.ts";

/** What a gateway accepts with the schemas that the importer generates. A gateway must accept every file that the importer writes. */

interface Parts {
  readonly version?: string;
  readonly path?: string;
  readonly parameters?: readonly object[];
  readonly schemas?: Readonly<Record<string, unknown>>;
}

/** Imports one operation with this body. */
function one(schema: unknown, { version = "3.0.3", path = "/a", parameters = [], schemas = {} }: Parts = {}): LoadedRoute {
  const requestBody = { required: true, content: { "application/json": { schema } } };
  const put = { operationId: "a.put", parameters, requestBody, responses: { 200: { description: "ok" } } };
  const [route] = importWithSchemas({ openapi: version, paths: { [path]: { put } }, components: { schemas } });
  if (route === undefined) throw new Error("the operation is left out");
  return route;
}

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const field = (schema: unknown) => ({ type: "object", properties: { a: schema } });

/** A component of some documents. */
const T = { T: { type: "string", $defs: { inner: { type: "integer" } } } };
const CONDITION = ["if", "then", "else"];
/** The keywords of a condition. A literal object with `then` would look like a promise. */
const when = (...schemas: object[]) => Object.fromEntries(schemas.map((each, at) => [CONDITION[at] ?? "", each]));

describe("OpenAPI 3.0 becomes JSON Schema 2020-12", () => {
  test.each<[string, unknown, Readonly<Record<string, string>>]>([
    ["nullable", { type: "string", nullable: true }, { '"x"': "ok", null: "ok", 7: "type /a" }],
    ["not nullable", { type: "string", nullable: false }, { null: "type /a" }],
    ["a nullable enum", { type: "string", enum: ["x"], nullable: true }, { '"x"': "ok", null: "ok", '"y"': "enum /a" }],
    ["a nullable reference", { ...ref("T"), nullable: true }, { '"x"': "ok", null: "ok", 7: "anyOf /a" }],
    ["nullable parts", { nullable: true, allOf: [ref("T")] }, { '"x"': "ok", null: "ok", 7: "anyOf /a" }],
    ["an exclusive minimum", { type: "number", minimum: 1, exclusiveMinimum: true }, { 1: "exclusiveMinimum /a", 1.5: "ok" }],
    ["an inclusive minimum", { type: "number", minimum: 1, exclusiveMinimum: false }, { 1: "ok", 0: "minimum /a" }],
    ["an exclusive maximum", { type: "number", maximum: 1, exclusiveMaximum: true }, { 1: "exclusiveMaximum /a", 0: "ok" }],
    ["an exclusive limit alone", { type: "number", exclusiveMaximum: true }, { 99: "ok" }],
    ["fields beside a reference have no meaning", { ...ref("T"), maxLength: 1 }, { '"xyz"': "ok" }],
    ["a pattern", { type: "string", pattern: "^[a-z]+$" }, { '"x"': "ok", '"X"': "pattern /a" }],
    ["no schema", undefined, { '"x"': "ok", null: "ok" }],
  ])("%s", (_, schema, expected) => {
    const route = one(field(schema), { schemas: T });
    const found = Object.keys(expected).map((value) => [value, route.check({ a: JSON.parse(value) })]);
    expect(Object.fromEntries(found)).toEqual(expected);
    expect(route.losses).toEqual([]);
  });

  test("example becomes examples, and words of OpenAPI are left out without a report", () => {
    const { schema, losses } = one({
      type: "string",
      example: "x",
      xml: { name: "a" },
      externalDocs: {},
      "x-a": 1,
      format: "uuid",
    });
    expect(schema).toEqual({
      ...{ $schema: "https://json-schema.org/draft/2020-12/schema", type: "string", format: "uuid", examples: ["x"] },
    });
    expect(losses).toEqual([]);
  });

  test("a discriminator selects one of several schemas that accept the same", () => {
    const animal = { type: "object", properties: { kind: { type: "string" }, name: { type: "string" } } };
    const schemas = {
      Cat: animal,
      Dog: { ...animal, required: ["name"] },
      Fish: { ...animal, properties: { kind: { enum: ["f"] } } },
    };
    const discriminator = { propertyName: "kind", mapping: { cat: "#/components/schemas/Cat", tabby: "Cat" } };
    const route = one({ oneOf: [ref("Cat"), ref("Dog"), ref("Fish")], discriminator }, { schemas });
    expect(
      [{ kind: "cat" }, { kind: "tabby" }, { kind: "Cat" }, { kind: "Dog", name: "n" }, { kind: "f" }].map((each) =>
        route.check(each),
      ),
    ).toEqual(Array(5).fill("ok"));
    expect([{ kind: "Dog" }, { kind: "dog" }, {}].map((each) => route.check(each))).toEqual(["oneOf ", "oneOf ", "ok"]);
  });

  test("read-only properties are not required", () => {
    const properties = { id: { type: "string", readOnly: true }, b: ref("Old"), name: { type: "string" } };
    const route = one(
      { type: "object", required: ["id", "b", "name", "name"], properties },
      { schemas: { Old: { readOnly: true } } },
    );
    expect([route.check({ name: "n" }), route.check({ id: "1" })]).toEqual(["ok", "required /name"]);
  });
});

describe("OpenAPI 3.1 is JSON Schema 2020-12", () => {
  test.each<[string, unknown, Readonly<Record<string, string>>]>([
    ["several types", { type: ["string", "null"] }, { '"x"': "ok", null: "ok", 7: "type /a" }],
    ["const", { const: { b: 1 } }, { '{"b":1}': "ok", 7: "const /a" }],
    ["an exclusive minimum", { exclusiveMinimum: 1 }, { 1: "exclusiveMinimum /a", 2: "ok" }],
    [
      "a tuple",
      { prefixItems: [{ type: "string" }], items: false },
      { '["x"]': "ok", "[7]": "type /a/0", '["x",1]': "items /a" },
    ],
    ["if", when({ type: "string" }, { minLength: 2 }), { '"x"': "minLength /a", '"xy"': "ok", 1: "ok" }],
    ["fields beside a reference", { ...ref("T"), maxLength: 1 }, { '"x"': "ok", '"xyz"': "maxLength /a", 1: "type /a" }],
    ["false", false, { 1: "false /a" }],
    ["definitions of a schema", ref("T/$defs/inner"), { 1: "ok", '"x"': "type /a" }],
    [
      "closed objects",
      { allOf: [{ properties: { b: true } }], unevaluatedProperties: false },
      { '{"b":1}': "ok", '{"c":1}': "unevaluatedProperties /a/c" },
    ],
  ])("%s", (_, schema, expected) => {
    const route = one(field(schema), { version: "3.1.0", schemas: T });
    const found = Object.keys(expected).map((value) => [value, route.check({ a: JSON.parse(value) })]);
    expect(Object.fromEntries(found)).toEqual(expected);
    expect(route.losses).toEqual([]);
  });
});

describe("the payload of a route", () => {
  const id = { name: "id", in: "path", required: true, schema: { type: "integer" } };
  const query = (name: string, schema: object, more: object = {}) => ({ name, in: "query", schema, ...more });

  test("has the variables of the path beside the fields of the body, also if the body is closed", () => {
    const closed = {
      type: "object",
      additionalProperties: false,
      required: ["b"],
      maxProperties: 1,
      properties: { b: { type: "string" } },
    };
    for (const body of [closed, ref("Body"), { allOf: [ref("Body")] }]) {
      const route = one(body, { path: "/a/{id}", parameters: [id], schemas: { Body: closed } });
      expect(route.route.row["body"]).toBe("*");
      expect(route.check({ id: 7, b: "x" })).toBe("ok");
      expect(route.check({ id: "7", b: "x" })).toBe("type /id");
      expect(route.check({ b: "x" })).toBe("required /id");
      expect(route.check({ id: 7 })).toBe("required /b");
      expect(route.check({ id: 7, b: "x", c: 1 })).toMatch(/^(additionalProperties \/c|maxProperties )$/);
      expect(route.check([])).toBe("type ");
    }
  });

  test("has these variables also if other keywords look at all fields of the body", () => {
    const b = { b: { type: "string" } };
    const bodies = [
      { properties: b, unevaluatedProperties: false },
      { allOf: [{ properties: b }], properties: {}, unevaluatedProperties: false },
      { properties: b, propertyNames: { pattern: "^b$" } },
      { properties: b, minProperties: 1 },
      { properties: b, enum: [{ b: "x" }] },
      { properties: b, not: { maxProperties: 0 } },
      { properties: b, not: { properties: { b: { pattern: "^(?!z)z" } }, required: ["b"] } },
    ];
    for (const body of bodies) {
      const route = one(body, { version: "3.1.0", path: "/a/{id}", parameters: [id] });
      expect(route.check({ id: 7, b: "x" })).toBe("ok");
      expect(route.check({ id: 7, b: 1 })).not.toBe("ok");
    }
    expect(one(bodies[3], { version: "3.1.0", path: "/a/{id}", parameters: [id] }).check({ id: 7 })).toBe("minProperties ");
    expect(one(bodies[5], { version: "3.1.0", path: "/a/{id}", parameters: [id] }).check({ id: 7 })).toBe("not ");
  });

  test("has fields with names of prototypes", () => {
    const parameters = ["__proto__", "constructor"].map((name) => query(name, { type: "integer" }, { required: true }));
    const route = one({ type: "string" }, { parameters });
    expect(route.check(JSON.parse('{"__proto__":1,"constructor":2,"body":"x"}'))).toBe("ok");
    expect(route.check(JSON.parse('{"__proto__":"x","constructor":2,"body":"x"}'))).toBe("type /__proto__");
    expect(route.check({ body: "x" })).toMatch(/^required /);
  });

  test("an inner object of the same schema stays closed against the variables", () => {
    const Body = { type: "object", additionalProperties: false, properties: { inner: ref("Body") } };
    const route = one(ref("Body"), { path: "/a/{id}", parameters: [id], schemas: { Body } });
    expect(route.check({ id: 7, inner: { inner: {} } })).toBe("ok");
    expect(route.check({ id: 7, inner: { id: 7 } })).toBe("additionalProperties /inner/id");
  });

  test("has the query and the body as fields", () => {
    const parameters = [
      query("page", { type: "integer", minimum: 1 }, { required: true }),
      query("tags", { type: "array", items: { type: "string" } }),
      query("ids", { type: "array", items: { type: "integer" } }, { explode: false }),
      query("filter", { type: "object" }, { style: "deepObject", required: true }),
    ];
    const route = one({ type: "array", items: { type: "integer" } }, { path: "/a/{id}", parameters: [id, ...parameters] });
    const valid = { id: 7, page: 1, tags: ["x"], ids: "1,2", "filter[a]": 1, body: [1] };
    expect(route.check(valid)).toBe("ok");
    const wrong = { page: 0, tags: "x", ids: [1], body: ["x"], id: {} };
    expect(Object.entries(wrong).map(([name, value]) => route.check({ ...valid, [name]: value }))).toEqual([
      ...["minimum /page", "type /tags", "type /ids", "type /body/0", "type /id"],
    ]);
    for (const name of ["id", "page", "body"]) expect(route.check({ ...valid, [name]: undefined })).toBe(`required /${name}`);
  });

  test("has a list in the path as one text", () => {
    const list = { name: "ids", in: "path", required: true, schema: ref("Ids") };
    const schemas = { Ids: { type: "array", items: { type: "integer" } } };
    const route = one({ type: "string" }, { path: "/a/{ids}", parameters: [list], schemas });
    expect([route.check({ ids: "1,2", body: "x" }), route.check({ ids: [1, 2], body: "x" })]).toEqual(["ok", "type /ids"]);
  });

  test("a renamed variable has its new name, and one without a description is a scalar", () => {
    const body = { type: "object", properties: { id: { type: "string" } } };
    const route = one(body, { path: "/a/{id}/{other}", parameters: [id] });
    expect(route.check({ path_id: 7, other: "x", id: "body" })).toBe("ok");
    expect(route.check({ path_id: 7, other: {}, id: "body" })).toBe("type /other");
  });

  test("is the body itself without path and query, whatever it is", () => {
    expect([one({ type: "array" }).check([]), one({ type: "array" }).check({})]).toEqual(["ok", "type "]);
  });

  test("has no schema if nothing is known, if it has no body, or if it is bytes", () => {
    const content = (type: string) => ({ requestBody: { content: { [type]: { schema: { type: "string" } } } } });
    const responses = { 200: { description: "ok" } };
    const paths = {
      "/a": { get: { operationId: "a.a", responses }, put: { operationId: "a.b", responses, ...content("image/png") } },
      "/b": { put: { operationId: "a.c", responses, requestBody: { content: { "application/json": {} } } } },
    };
    expect(
      importWithSchemas({ openapi: "3.0.0", paths }).map(({ route }) => [route.schema, route.row["schema"], route.losses]),
    ).toEqual(Array(3).fill([undefined, undefined, []]));
  });
});

describe("references", () => {
  test("recursion is kept, and each target is there once", () => {
    const Node = {
      type: "object",
      properties: { value: { type: "integer" }, next: ref("Node"), all: { type: "array", items: ref("Node") } },
    };
    const route = one(ref("Node"), { schemas: { Node } });
    expect(Object.keys(Object(route.schema["$defs"]))).toEqual(["Node"]);
    expect(route.check({ next: { next: { all: [{ value: 1 }] } } })).toBe("ok");
    expect(route.check({ next: { next: { all: [{ value: "x" }] } } })).toBe("type /next/next/all/0/value");
  });

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ["itself", { A: ref("A") }],
    ["itself in a part", { A: { allOf: [ref("A")], maxProperties: 1 } }],
    ["itself by another", { A: { anyOf: [ref("B"), { type: "string" }] }, B: { oneOf: [ref("A")] } }],
    ["itself by not", { A: { not: ref("A") } }],
    ["itself by a condition", { A: when({ maxProperties: 3 }, ref("A")) }],
  ])("a schema that is %s for the same value is cut there, with a report", (_, schemas) => {
    const route = one(field(ref("A")), { schemas, version: "3.1.0" });
    expect(route.losses[0]?.reason).toBe("it refers to itself for the same value");
    expect(route.check({ a: { b: 1 } })).toBe("ok");
  });

  test.each([
    ["to another document", { $ref: "other.json" }, "it refers to another document"],
    ["to nothing", { $ref: "#/components/schemas/None" }, "a $ref refers to nothing"],
    ["to a prototype", { $ref: "#/components/constructor" }, "a $ref refers to nothing"],
    ["that is no text", { $ref: 7 }, "a $ref is not a text"],
    ["that depends on its caller", { $dynamicRef: "#node" }, "the importer does not follow it"],
  ])("one %s accepts everything, with a report", (_, reference, reason) => {
    const route = one(field(reference), { version: "3.1.0" });
    expect(route.losses).toEqual([
      { pointer: expect.stringMatching(/^#\/properties\/a\/\$/), reason: expect.stringContaining(reason) },
    ]);
    expect(route.check({ a: 1 })).toBe("ok");
  });

  test("names of all kinds are kept apart", () => {
    const schemas = {
      "a/b": { type: "string" },
      "a b": { type: "integer" },
      "a~1b": { type: "boolean" },
      __proto__x: {},
      ["__proto__"]: { type: "null" },
    };
    const at = (name: string) => ({ $ref: `#/components/schemas/${name.replaceAll("~", "~0").replaceAll("/", "~1")}` });
    const properties = Object.fromEntries(["a/b", "a b", "a~1b", "__proto__"].map((name, index) => [`p${index}`, at(name)]));
    const route = one({ type: "object", properties }, { schemas });
    expect(route.check({ p0: "x", p1: 1, p2: true, p3: null })).toBe("ok");
    expect(["p0", "p1", "p2", "p3"].map((name) => route.check({ [name]: [] }))).toEqual(
      ["p0", "p1", "p2", "p3"].map((name) => `type /${name}`),
    );
    expect(route.losses).toEqual([]);
  });
});

describe("what a gateway refuses is left out with a report, and nothing that the document allows is refused", () => {
  const LOOK_AHEAD = { type: "string", pattern: "^(?!x)" };
  const NOT_SUPPORTED = expect.stringContaining("is wrong or not supported: it must match in linear time");
  const names = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`n${at}`, {}]));

  test("a pattern", () => {
    const route = one(field(LOOK_AHEAD));
    expect(route.losses).toEqual([{ pointer: "#/properties/a/pattern", reason: NOT_SUPPORTED }]);
    expect([route.check({ a: "y" }), route.check({ a: 1 })]).toEqual(["ok", "type /a"]);
  });

  test("a part of oneOf: a value that no other part accepts is still refused", () => {
    const route = one(field({ oneOf: [LOOK_AHEAD, { type: "string", maxLength: 3 }] }));
    expect([route.check({ a: "y" }), route.check({ a: 7 })]).toEqual(["ok", "anyOf /a"]);
    const beside = one(field({ oneOf: [LOOK_AHEAD, { type: "string" }], anyOf: [true] }));
    expect([beside.check({ a: "y" }), beside.check({ a: 7 })]).toEqual(["ok", "anyOf /a"]);
  });

  test.each<[string, unknown, unknown]>([
    ["not", { not: LOOK_AHEAD }, "y"],
    ["not, by a reference", { not: ref("Name") }, "y"],
    ["not, inside", { not: { type: "object", properties: { b: ref("Name") } } }, { b: "y" }],
    ["oneOf", { oneOf: [LOOK_AHEAD, { type: "string", maxLength: 3 }] }, "x"],
    ["oneOf beside anyOf", { oneOf: [LOOK_AHEAD, { type: "string" }], anyOf: [{ type: "string" }] }, "x"],
    ["if", when(LOOK_AHEAD, { maxLength: 1 }, { minLength: 2 }), "xyz"],
    ["maxContains", { type: "array", contains: LOOK_AHEAD, maxContains: 1 }, ["y", "x"]],
    [
      "additionalProperties",
      { type: "object", patternProperties: { "(?=b)": { type: "string" } }, additionalProperties: false },
      { b: "y" },
    ],
    ["unevaluatedProperties", { allOf: [{ $ref: "other.json" }], unevaluatedProperties: false }, { b: 1 }],
    ["too many properties", { type: "object", properties: names(1001), additionalProperties: false }, { n1000: 1 }],
    ["prefixItems that are no list", { prefixItems: { a: 1 }, items: false }, [1]],
  ])("%s", (_, schema, valid) => {
    const route = one(field(schema), { version: "3.1.0", schemas: { Name: LOOK_AHEAD } });
    expect(route.losses.length).toBeGreaterThan(0);
    expect(route.check({ a: valid })).toBe("ok");
  });

  test.each<[string, unknown]>([
    ["examples", { a: 1 }],
    ["description", 5],
    ["deprecated", "yes"],
    ["format", 7],
  ])("a wrong %s: it checks no value, so the keywords around it stay", (keyword, value) => {
    const named = { type: "object", properties: { b: { type: "string", [keyword]: value } } };
    const schema = { ...named, oneOf: [{ required: ["b"], [keyword]: value }, true], unevaluatedProperties: false };
    const route = one(field(schema), { version: "3.1.0" });
    expect(route.losses.map(({ pointer }) => pointer)).toEqual([
      `#/properties/a/properties/b/${keyword}`,
      `#/properties/a/oneOf/0/${keyword}`,
    ]);
    expect([{}, { b: "x" }, { c: 1 }].map((a) => route.check({ a }))).toEqual(["ok", "oneOf /a", "unevaluatedProperties /a/c"]);
  });

  test("values that are wrong in JSON Schema 2020-12", () => {
    const wrong = {
      required: true,
      minLength: -1,
      maxLength: 1.5,
      type: "file",
      items: [{}],
      enum: "x",
      multipleOf: 0,
      allOf: [],
      properties: [],
      description: 7,
    };
    const route = one(field(wrong));
    expect(route.losses.map(({ pointer }) => pointer.replace("#/properties/a/", "").split("/")[0]).toSorted()).toEqual(
      Object.keys(wrong).toSorted(),
    );
    expect(route.check({ a: 1 })).toBe("ok");
  });

  const chain = (count: number, next: (name: string) => object) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`S${at}`, at === count - 1 ? {} : next(`S${at + 1}`)]));
  const nested = (depth: number): object => (depth === 0 ? { type: "string" } : field(nested(depth - 1)));
  test.each<[string, unknown, Readonly<Record<string, unknown>>, string]>([
    [
      "schemas that apply too often",
      ref("S0"),
      chain(40, (next) => ({ allOf: [ref(next), ref(next)] })),
      "more than 10000 schemas apply to one value",
    ],
    ["a long chain", ref("S0"), chain(5000, (next) => ref(next)), "more than 200 references follow each other"],
    [
      "too many schemas",
      {
        type: "object",
        properties: Object.fromEntries(
          Array.from({ length: 30 }, (_, at) => [`p${at}`, field({ type: "object", properties: names(900) })]),
        ),
      },
      {},
      "it has more than 20000 schemas",
    ],
    ["a long chain of properties", ref("S0"), chain(9000, (next) => field(ref(next))), ""],
  ])(
    "a schema is left out as a whole: %s",
    (_, schema, schemas, reason) => {
      const route = one(field(schema), { schemas });
      expect(route.route.schema).toBeUndefined();
      expect(route.losses).toEqual([{ pointer: "#", reason: expect.stringContaining(reason) }]);
    },
    60_000,
  );

  test("all schemas together are bounded, because each has copies of the parts that it uses", () => {
    const properties = Object.fromEntries(
      Array.from({ length: 60 }, (_, at) => [`p${at}`, field({ type: "object", properties: names(900) })]),
    );
    const put = (operationId: string) => ({
      put: { operationId, requestBody: { content: { "application/json": { schema: ref("Large") } } } },
    });
    const paths = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`/p${at}`, put(`p.p${at}`)]));
    const routes = importWithSchemas({ openapi: "3.1.0", paths, components: { schemas: { Large: { properties } } } });
    expect(routes).toHaveLength(60);
    expect(routes.at(0)?.losses).toEqual([{ pointer: "#", reason: "it has more than 20000 schemas" }]);
    expect(routes.at(-1)?.losses).toEqual([
      { pointer: "#", reason: expect.stringContaining("choose operations with --tag or --path") },
    ]);
  }, 60_000);

  test("values of YAML that JSON does not have", () => {
    const yaml = (values: string) =>
      importWithSchemas(`openapi: 3.1.0
paths:
  /a:
    put: { operationId: a.put, requestBody: { content: { application/json: { schema: { type: object, properties: { a: ${values} } } } } } }
`)[0];
    const infinite = yaml("{ minimum: .inf }");
    expect(infinite?.losses.map(({ pointer }) => pointer)).toEqual(["#/properties/a/minimum"]);
    expect(infinite?.check({ a: 1 })).toBe("ok");
    const cyclic = yaml("{ default: &loop { again: *loop } }");
    expect(cyclic?.losses).toEqual([{ pointer: "#", reason: "it is not JSON, because a value contains itself" }]);
    expect(yaml("&loop { properties: { b: *loop } }")?.losses.at(0)?.reason).toBe("it is nested more than 60 levels deep");
  });

  test("deep nesting is cut", () => {
    const route = one(nested(200));
    expect(route.losses.map(({ reason }) => reason)).toEqual(["it is nested more than 60 levels deep"]);
    expect(route.check({ a: { a: 1 } })).toBe("type /a/a");
  });
});

describe("random schemas", () => {
  const RUNS = 100;
  const name = fc.constantFrom("a", "b", "A", "B", "constructor", "(?=a)", "^a");
  const scalar = fc.oneof(
    fc.jsonValue({ maxDepth: 1 }),
    fc.constantFrom("string", "object", "null", 0, -1, 1, true, "(?!a)", "^a$", "a", ["a"], ["string", "null"]),
  );
  const keyword = fc.constantFrom(
    ...["type", "enum", "const", "pattern", "minimum", "exclusiveMinimum", "maxLength", "required", "multipleOf", "nullable"],
    ...["title", "default", "examples", "example", "uniqueItems", "format", "maxProperties", "minItems", "maxContains"],
  );
  const right = fc.constantFrom<unknown>(
    ...[ref("A"), ref("B"), true, false, { type: "string" }, { type: "object" }, { pattern: "(?!a)" }, { const: "a" }],
    ...[{ required: ["a"] }, { patternProperties: { "(?=a)": true } }, { contains: { pattern: "(?=a)" }, maxContains: 1 }],
  );
  const wrong = fc.oneof(fc.dictionary(keyword, scalar, { maxKeys: 3 }), fc.constantFrom<unknown>(7, null, { $ref: "#/x" }));
  const schemaOf = (leaf: fc.Arbitrary<unknown>) =>
    fc.letrec<{ schema: unknown }>((tie) => {
      const one = fc.constantFrom(
        "not",
        "if",
        "then",
        "else",
        "items",
        "additionalProperties",
        "unevaluatedProperties",
        "contains",
      );
      const list = fc.array(tie("schema"), { minLength: 1, maxLength: 3 });
      const map = fc.dictionary(name, tie("schema"), { maxKeys: 3 });
      return {
        schema: fc.oneof(
          { maxDepth: 4, depthSize: "small" },
          leaf,
          fc.dictionary(one, tie("schema"), { maxKeys: 3 }),
          fc.dictionary(fc.constantFrom("allOf", "anyOf", "oneOf", "prefixItems"), list, { maxKeys: 2 }),
          fc.dictionary(fc.constantFrom("properties", "patternProperties", "dependentSchemas"), map, { maxKeys: 2 }),
        ),
      };
    }).schema;

  test("a gateway accepts each file, also of wrong schemas", () => {
    const schema = schemaOf(fc.oneof(right, wrong));
    const path = fc.constantFrom("/a", "/a/{id}");
    fc.assert(
      fc.property(fc.constantFrom("3.0.3", "3.1.0"), schema, schema, schema, path, (version, body, A, B, at) => {
        expect(one(body, { version, path: at, schemas: { A, B } }).check({})).toBeString();
      }),
      { numRuns: RUNS },
    );
  }, 60_000);

  test("the schema of a gateway accepts what the schema of the document accepts, whatever is left out", () => {
    const schema = schemaOf(right);
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.dictionary(name, fc.constantFrom<unknown>("a", "x", 1, {})),
      fc.constantFrom("a", "x"),
    );
    const counts = { accepted: 0, refused: 0, lossy: 0 };
    fc.assert(
      fc.property(schema, schema, schema, fc.array(value, { minLength: 8, maxLength: 8 }), (a, A, B, values) => {
        const isValid = referenceCheck({ $id: "https://a.example/", ...field(a), components: { schemas: { A, B } } });
        const route = one(field(a), { version: "3.1.0", schemas: { A, B } });
        if (route.losses.length > 0) counts.lossy++;
        for (const each of values) {
          const expected = isValid({ a: each });
          const found = route.check({ a: each });
          if (expected === undefined) continue;
          counts[expected ? "accepted" : "refused"]++;
          if (expected) expect(found).toBe("ok");
          else if (route.losses.length === 0) expect(found).not.toBe("ok");
        }
      }),
      { numRuns: RUNS },
    );
    expect(Math.min(counts.accepted, counts.refused, counts.lossy)).toBeGreaterThan(10);
  }, 60_000);

  test("the same with a variable of the path beside the fields of the body", () => {
    const object = fc
      .dictionary(fc.constantFrom("a", "b"), schemaOf(right), { minKeys: 1 })
      .map((properties) => ({ properties }));
    const more = fc.constantFrom<unknown>(
      ...[{}, { additionalProperties: false }, { unevaluatedProperties: false }, { maxProperties: 1 }, { minProperties: 1 }],
      ...[{ propertyNames: { pattern: "^a$" } }, { required: ["a"] }, { not: { required: ["b"] } }, { enum: [{ a: "a" }] }],
    );
    const part = fc.tuple(object, more).map(([one, other]) => ({ ...one, ...Object(other) }));
    const whole = fc.tuple(
      part,
      fc.dictionary(fc.constantFrom("allOf", "anyOf", "oneOf"), fc.array(part, { minLength: 1, maxLength: 2 })),
    );
    const value = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.constantFrom<unknown>("a", "x", 1, {}));
    const id = { name: "id", in: "path", required: true, schema: { type: "integer" } };
    const counts = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(whole, part, fc.array(value, { minLength: 8, maxLength: 8 }), ([own, parts], A, values) => {
        const body = { ...own, ...parts };
        const isValid = referenceCheck({ $id: "https://a.example/", ...body, components: { schemas: { A, B: true } } });
        const route = one(body, { version: "3.1.0", path: "/a/{id}", parameters: [id], schemas: { A, B: true } });
        const isWhole = route.route.row["body"] === "*";
        for (const each of values) {
          const expected = isValid(each);
          if (expected === undefined || !isWhole) continue;
          counts[expected ? "accepted" : "refused"]++;
          if (expected) expect(route.check({ id: 7, ...each })).toBe("ok");
          else if (route.losses.length === 0) expect(route.check({ id: 7, ...each })).not.toBe("ok");
        }
      }),
      { numRuns: RUNS },
    );
    expect(Math.min(counts.accepted, counts.refused)).toBeGreaterThan(5);
  }, 60_000);
});

/** ajv with backtracking patterns, as another implementation. The check is `undefined` if a schema is recursive for one value. */
function referenceCheck(schema: object): (value: unknown) => boolean | undefined {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, ownProperties: true, logger: false });
  const orRecursive = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  };
  const check = orRecursive(() => ajv.compile(schema));
  return (value) => orRecursive(() => check && check(value) === true);
}
