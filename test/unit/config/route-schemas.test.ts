import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig, loadConfigInSlices } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import { compileSchemas } from "../../../src/config/route-schemas.ts";
import { runInSlices } from "../../../src/core/slices.ts";
import { PayloadSchema } from "../../../src/schema/payload-schema.ts";

const ROUTE = "[[routes]]\nmessage_type = 'a.b'\npost = '/api/v1/user/x'\nbody = '*'\n";

/** Loads `conf/gateway.toml` with a route whose schema is `schema`, and the given files beside it. */
function load(files: Readonly<Record<string, unknown>>, schema = "order.json", more = "") {
  const readFile = (path: string) => {
    if (path === "conf/gateway.toml") return `${more}${ROUTE}schema = '${schema}'\n`;
    const content = files[path];
    if (content === undefined)
      throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: "ENOENT" });
    return typeof content === "string" ? content : JSON.stringify(content);
  };
  return loadConfig({ env: {}, argv: ["--config", "conf/gateway.toml"], readFile });
}

function problemOf(files: Readonly<Record<string, unknown>>, schema?: string, more?: string): string {
  try {
    load(files, schema, more);
    return "";
  } catch (error) {
    return error instanceof ConfigError ? error.problems.join("\n") : String(error);
  }
}

const place = "routes[0].schema (conf/gateway.toml:5): a.b: ";
const order = (schema: unknown) => ({ "conf/order.json": schema });

test.each([
  [{}, "conf/order.json: cannot be read: ENOENT: no such file or directory"],
  [
    { "conf/order.json": '{\n  "type": "object",\n}' },
    "order.json: line 3, column 1: not JSON: remove the comma before the bracket",
  ],
  [order([1]), 'order.json: not a schema: the document violates "type" of the metaschema'],
  [
    order({ properties: { a: { type: "text" } } }),
    "order.json: not a schema: /properties/a/type is no type, expected null, boolean, integer, number, string, array or object, or a list of them",
  ],
  [order({ dependencies: { a: 5 } }), 'order.json: not a schema: /dependencies/a violates "anyOf" of the metaschema'],
  [
    order({ $schema: "http://json-schema.org/draft-07/schema#" }),
    "order.json: $schema is another draft, expected https://json-schema.org/draft/2020-12/schema",
  ],
  [order({ $ref: "address.json" }), "conf/address.json: cannot be read: ENOENT: no such file or directory"],
  [order({ $ref: "#/$defs/a" }), '$ref "#/$defs/a" points to nothing'],
  [
    order({ $ref: "https://example.com/a.json" }),
    "https://example.com/a.json is not a file below the folder of the schemas, expected such a file",
  ],
  [
    order({ $ref: "file:///etc/passwd" }),
    "file:///etc/passwd is not a file below the folder of the schemas, expected such a file",
  ],
  [order({ $ref: "%2e%2e/secret.json" }), "conf/secret.json: cannot be read: ENOENT: no such file or directory"],
  [
    order({ $ref: "a%2f..%2f..%2fsecret.json" }),
    "a%2f..%2f..%2fsecret.json is not a file below the folder of the schemas, expected such a file",
  ],
  [
    order({ pattern: "(?<=a)b" }),
    'order.json: the pattern "(?<=a)b" is wrong or not supported: it must match in linear time, without back-references and look-around',
  ],
  [
    { ...order({ $ref: "name.json" }), "conf/name.json": { pattern: "(a)\\1" } },
    'name.json: the pattern "(a)\\\\1" is wrong or not supported: it must match in linear time, without back-references and look-around',
  ],
])("a schema that cannot be used is refused with its route and line: %p", (files, problem) => {
  expect(problemOf(files)).toBe(place + problem);
});

test("a schema is a relative path inside the folder of the configuration file", () => {
  for (const path of [
    "../order.json",
    "/etc/order.json",
    "a/../../order.json",
    "a//b.json",
    "./order.json",
    "",
    "https://a/b.json",
    "a\\\\b.json",
  ]) {
    expect(problemOf({}, path)).toStartWith(`${place}got `);
  }
});

test("references lead to other files below the folder, also by absolute URIs below backend.schema_base_uri", () => {
  const files = {
    "conf/schemas/order.json": { properties: { to: { $ref: "parts/address.json#/$defs/line" } } },
    "conf/schemas/parts/address.json": { $defs: { line: { $anchor: "line", $ref: "../text.json" } } },
    "conf/schemas/text.json": { type: "string" },
  };
  expect(load(files, "schemas/order.json").routes[0]?.schema_document?.$defs).toEqual({
    s0: { properties: { to: { $ref: "#/$defs/s1" } } },
    s1: { $ref: "#/$defs/s2" },
    s2: { type: "string" },
  });
  const absolute = {
    "conf/order.json": { $id: "https://schemas.example.com/v1/order.json", $ref: "text.json" },
    "conf/v1/text.json": { type: "string" },
  };
  expect(problemOf(absolute)).toContain("https://schemas.example.com/v1/text.json is not a file below the folder");
  expect(problemOf(absolute, "order.json", "[backend]\nschema_base_uri = 'https://schemas.example.com/'\n")).toBe("");
});

const home = mkdtempSync(join(tmpdir(), "schemas-"));
afterAll(() => rmSync(home, { recursive: true }));

/** Loads the real file `conf/gateway.toml`, whose route has `order.json`. */
function problemsOnDisk(): string {
  const file = join(home, "conf/gateway.toml");
  writeFileSync(file, `${ROUTE}schema = 'order.json'\n`);
  try {
    loadConfig({ env: {}, argv: ["--config", file] });
    return "";
  } catch (error) {
    return error instanceof ConfigError ? error.problems.join("\n") : String(error);
  } finally {
    rmSync(join(home, "conf/order.json"), { recursive: true });
  }
}

test("a symbolic link inside the folder is followed, as in a volume of Kubernetes; one that leads out is refused", () => {
  mkdirSync(join(home, "conf/..data"), { recursive: true });
  writeFileSync(join(home, "conf/..data/order.json"), "{}");
  writeFileSync(join(home, "outside.json"), "{}");
  symlinkSync("..data/order.json", join(home, "conf/order.json"));
  expect(problemsOnDisk()).toBe("");
  symlinkSync("../outside.json", join(home, "conf/order.json"));
  expect(problemsOnDisk()).toEndWith(
    "order.json: cannot be read: it is a symbolic link that leads out of the folder of the configuration file",
  );
});

test("a device, a FIFO or a folder does not block the start", () => {
  mkdirSync(join(home, "conf/order.json"), { recursive: true });
  expect(problemsOnDisk()).toEndWith("order.json: cannot be read: it is not a file");
  Bun.spawnSync(["mkfifo", join(home, "conf/order.json")]);
  expect(problemsOnDisk()).toEndWith("order.json: cannot be read: it is not a file");
  symlinkSync("/dev/zero", join(home, "conf/order.json"));
  expect(problemsOnDisk()).toEndWith("order.json: cannot be read: it is not a file");
});

test("500 routes with a schema each start within seconds, and a reload compiles only what has changed", () => {
  const files = new Map(
    Array.from({ length: 500 }, (_, at) => [`s${at}.json`, { properties: { id: { const: at } }, required: ["id"] }]),
  );
  const routes = [...files.keys()].map((schema, at) => ({
    message_type: `a.b${at}`,
    post: "/api/v1/user/x",
    body: "*",
    schema,
  }));
  const readFile = (path: string) => (path === "g.json" ? JSON.stringify({ routes }) : JSON.stringify(files.get(path)));
  const schemas = () =>
    loadConfig({ env: {}, argv: ["--config", "g.json"], readFile }).routes.map(({ schema_document: document }) =>
      PayloadSchema.of(document ?? expect.unreachable()),
    );
  const started = performance.now();
  const before = schemas();
  // Without the check of the metaschema in each compiler it takes about a second, and with it half a minute.
  expect(performance.now() - started).toBeLessThan(15_000);
  files.set("s7.json", { properties: { id: { const: 8 } }, required: ["id"] });
  const after = schemas();
  expect(after.flatMap((each, at) => (each === before[at] ? [] : [at]))).toEqual([7]);
}, 60_000);

/** Configuration with one schema of 40 fields per route. */
function manySchemas(count: number) {
  const files = new Map<string, unknown>();
  const routes = Array.from({ length: count }, (_, at) => {
    const fields = Array.from({ length: 40 }, (_each, field) => [`f${field}`, { type: "string", maxLength: at + field }]);
    files.set(`many${at}.json`, { type: "object", properties: Object.fromEntries(fields) });
    return {
      message_type: `many.b${at}`,
      post: "/api/v1/user/x",
      body: "*",
      schema: `many${at}.json`,
      timeout_ms: 1000,
    };
  });
  const readFile = (path: string) => JSON.stringify(path === "g.json" ? { routes } : files.get(path));
  return { files, routes, sources: { env: {}, argv: ["--config", "g.json"], readFile } };
}

/** Counts the turns of the event loop until `work` ends. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isRunning = true;
  const count = () => {
    turns++;
    if (isRunning) setImmediate(count);
  };
  setImmediate(count);
  await work;
  isRunning = false;
  return turns;
}

test("a reload that changes one time-out keeps all schemas as they are", () => {
  const { routes, sources } = manySchemas(50);
  const before = loadConfig(sources).routes;
  for (const route of routes.slice(0, 1)) route.timeout_ms = 2000;
  const after = loadConfig(sources).routes;
  expect(after[0]?.timeout_ms).toBe(2000);
  expect(after.map((route, at) => route.schema_document === before[at]?.schema_document)).not.toContain(false);
});

test("a schema changes if a document changes that it refers to", () => {
  const files = { "conf/order.json": { $ref: "address.json" }, "conf/address.json": { type: "string" } };
  const accepts = (address: unknown, payload: string) => {
    const document = load({ ...files, "conf/address.json": address }).routes[0]?.schema_document;
    return PayloadSchema.of(document ?? expect.unreachable()).violationOf(payload) === undefined;
  };
  expect([accepts({ type: "string" }, "5"), accepts({ type: "number" }, "5"), accepts({ type: "string" }, "5")]).toEqual([
    false,
    true,
    false,
  ]);
  expect(problemOf({ "conf/order.json": { $ref: "address.json" } })).toContain("conf/address.json: cannot be read");
});

test("while changed schemas are compiled, other work runs in between", async () => {
  const { files, sources } = manySchemas(60);
  const first = await loadConfigInSlices(sources);
  for (const name of files.keys()) files.set(name, { ...Object(files.get(name)), minProperties: 1 });
  const reading = loadConfigInSlices(sources);
  expect(await turnsDuring(reading)).toBeGreaterThan(5);
  const second = await reading;
  expect(second.routes[0]?.schema_document).not.toEqual(first.routes[0]?.schema_document);
});

test("a worker compiles the schemas of the supervisor in slices, and each only once", async () => {
  const read = loadConfig(manySchemas(60).sources);
  // Documents that this process has not compiled, as in a worker.
  const received = (property: string) => ({
    public_routes: [],
    routes: read.routes.map((route) => ({
      ...route,
      schema_document: { ...structuredClone(route.schema_document ?? expect.unreachable()), title: property },
    })),
  });
  const first = received("new");
  expect(await turnsDuring(runInSlices(compileSchemas(first)))).toBeGreaterThan(5);
  const compiled = (each: typeof first) => each.routes.map(({ schema_document }) => PayloadSchema.of(schema_document));
  expect(compiled(received("new")).map((each, at) => each === compiled(first)[at])).not.toContain(false);
});

test("the schema of a public route is read in the same way", () => {
  const row = "[[public_routes]]\nname = 'sign-up'\nmethod = 'POST'\npath = '/v1/x'\nschema = 'row.json'\n";
  expect(problemOf({ "conf/order.json": {}, "conf/row.json": { type: "text" } }, "order.json", row)).toBe(
    "public_routes[0].schema (conf/gateway.toml:5): row sign-up: row.json: not a schema: /type is no type, expected null, boolean, integer, number, string, array or object, or a list of them",
  );
  expect(problemOf({ "conf/order.json": {}, "conf/row.json": {} }, "order.json", row)).toBe("");
});
