import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { routesToml } from "../../../src/cli/routes-toml.ts";
import { resolveConfig } from "../../../src/config/load.ts";
import { DocumentError, OpenApiDocument } from "../../../src/openapi/document.ts";
import { type ImportOptions, type ImportResult, importRoutes } from "../../../src/openapi/import.ts";

/** What each form of an operation becomes. A gateway must accept every file that the importer writes. */

const INFO = { openapi: "3.1.0", info: { title: "Pets", version: "1" } };
const OK = { responses: { 200: { content: { "application/json": {} } } } };
const jsonBody = (schema: unknown, required = true) => ({
  requestBody: { required, content: { "application/json": { schema } } },
});
const POST_A = { message_type: "a.x", post: "/a" };
const rawBody = (...types: string[]) => ({
  requestBody: { content: Object.fromEntries(types.map((type) => [type, {}])) },
});
const rawAnswer = (...types: string[]) => ({
  responses: { 200: { content: Object.fromEntries(types.map((type) => [type, {}])) } },
});
const query = (name: string, more: object = {}) => ({ name, in: "query", schema: { type: "string" }, ...more });

function importOf(document: object | string, options?: ImportOptions): ImportResult {
  const text = typeof document === "string" ? document : JSON.stringify({ ...INFO, ...document });
  const result = importRoutes(new OpenApiDocument(text), options);
  requireAccepted(result);
  return result;
}

/** The gateway accepts the file, with each route as it was imported. */
function requireAccepted(result: ImportResult): void {
  const toml = routesToml(result, { file: "a/openapi.yaml", origin: "https://a.example" });
  const { config, problems } = resolveConfig({ argv: ["--config", "r.toml"], env: {}, readFile: () => toml });
  expect(problems).toEqual([]);
  expect(config.routes.map((route) => route.message_type)).toEqual(result.routes.map(({ row }) => row.message_type));
}

/** Imports one operation. */
function one(path: string, operation: object, method = "get", more: object = {}) {
  const { routes, leftOut } = importOf({ paths: { [path]: { [method]: { ...OK, ...operation }, ...more } } });
  const [route] = routes;
  return route === undefined ? leftOut[0]?.reason : { ...route.row, remarks: route.remarks };
}

describe("the call of a route", () => {
  test.each<[string, ReturnType<typeof one>, object]>([
    [
      "a GET with variables and a query",
      one("/pets/{petId}", { operationId: "getPet", tags: ["pet"], parameters: [query("limit")] }),
      { message_type: "pet.get_pet", get: "/pets/{petId}", remarks: [] },
    ],
    [
      "a POST with an object as the body",
      one("/pets", { operationId: "addPet", ...jsonBody({ type: "object", properties: { name: {} } }) }, "post"),
      { message_type: "pets.add_pet", post: "/pets", body: "*", remarks: [] },
    ],
    [
      "a body of unknown form without path and query is the payload",
      one("/batch", { operationId: "batch", ...jsonBody({ type: "array" }) }, "post"),
      { message_type: "batch.batch", post: "/batch", body: "*", remarks: [] },
    ],
    [
      "a body beside a query is a field",
      one("/pets", { operationId: "add", parameters: [query("dry_run")], ...jsonBody({ properties: { name: {} } }) }, "post"),
      { message_type: "pets.add", post: "/pets", body: "body", remarks: ["the field body is the body"] },
    ],
    [
      "a list as the body beside a variable is a field",
      one("/pets/{id}", { operationId: "add", ...jsonBody({ type: "array" }) }, "put"),
      { message_type: "pets.add", put: "/pets/{id}", body: "body", remarks: ["the field body is the body"] },
    ],
    [
      "a body with any fields beside a variable is a field, because a field could have the variable's name",
      one(
        "/pets/{id}",
        { operationId: "add", ...jsonBody({ type: "object", additionalProperties: { type: "string" } }) },
        "put",
      ),
      { message_type: "pets.add", put: "/pets/{id}", body: "body", remarks: ["the field body is the body"] },
    ],
    [
      "a variable with the name of a field of the body gets another name",
      one("/pets/{id}", { operationId: "put", ...jsonBody({ properties: { id: {}, name: {} } }) }, "put"),
      { message_type: "pets.put", put: "/pets/{path_id}", body: "*", remarks: ["the field path_id is the path parameter id"] },
    ],
    [
      "also if the body's schema has parts",
      one(
        "/pets/{id}",
        { operationId: "put", ...jsonBody({ allOf: [{ properties: { id: {} } }, { properties: { path_id: {} } }] }) },
        "put",
      ),
      {
        ...{ message_type: "pets.put", put: "/pets/{path_id_2}", body: "*" },
        remarks: ["the field path_id_2 is the path parameter id"],
      },
    ],
    [
      "a variable with the name of a query parameter gets another name, and so does the body",
      one("/a/{body}", { operationId: "x", parameters: [query("body")], ...jsonBody({ type: "string" }) }, "patch"),
      {
        ...{ message_type: "a.x", patch: "/a/{path_body}", body: "request_body" },
        remarks: ["the field path_body is the path parameter body", "the field request_body is the body"],
      },
    ],
    [
      "names of variables that no field can have",
      one("/a/{user.id}/{pet-id}/{1st}/{naïve}", { operationId: "x" }),
      {
        ...{ message_type: "a.x", get: "/a/{user_id}/{pet_id}/{_1st}/{na_ve}" },
        remarks: ["user_id", "pet_id", "_1st", "na_ve"].map(
          (to, at) => `the field ${to} is the path parameter ${["user.id", "pet-id", "1st", "naïve"][at]}`,
        ),
      },
    ],
    [
      "a verb",
      one("/a/{name}:undelete", { operationId: "x" }, "post"),
      { message_type: "a.x", post: "/a/{name}:undelete", remarks: [] },
    ],
    [
      "a variable of several segments",
      one("/files/{path}", {
        operationId: "x",
        parameters: [{ name: "path", in: "path", required: true, "x-multi-segment": true }],
      }),
      { message_type: "files.x", get: "/files/{path=**}", remarks: [] },
    ],
    [
      "a DELETE with a body",
      one("/a", { operationId: "x", ...jsonBody({ type: "object" }) }, "delete"),
      { message_type: "a.x", delete: "/a", body: "*", remarks: [] },
    ],
    [
      "an optional body of a GET is not sent",
      one("/a", { operationId: "x", ...jsonBody({}, false) }),
      { message_type: "a.x", get: "/a", remarks: [] },
    ],
    ["a slash at the end", one("/a/", { operationId: "x" }), { message_type: "a.x", get: "/a/", remarks: [] }],
    [
      "forms of query parameters are remarks",
      one("/a", {
        operationId: "x",
        parameters: [
          query("ids", { schema: { type: "array" }, explode: false }),
          query("filter", { style: "deepObject", schema: { type: "object" } }),
          query("json", { content: { "application/json": {} } }),
          query("user.name"),
        ],
      }),
      {
        ...{ message_type: "a.x", get: "/a" },
        remarks: [
          "the field ids is one text, with commas between its elements",
          'the fields of filter have names such as "filter[key]"',
          "the field json is a text that contains JSON",
        ],
      },
    ],
    [
      "optional headers are not sent, and those of the gateway are no remark",
      one("/a", {
        operationId: "x",
        parameters: [
          { name: "X-Trace", in: "header" },
          { name: "Idempotency-Key", in: "header", required: true },
        ],
      }),
      { message_type: "a.x", get: "/a", remarks: ["the header X-Trace is not sent"] },
    ],
  ])("%s", (_, route, expected) => expect<unknown>(route).toEqual(expected));
});

describe("an operation without JSON has a raw payload or a raw answer", () => {
  const raw = (type: string, more: object = {}) => ({
    ...{ message_type: "a.x", post: "/a", request: "raw", request_content_type: type },
    ...{ remarks: [`the payload is the bytes of ${type}`], ...more },
  });
  const answer = (row: object, types: string) => ({
    ...{ message_type: "a.x", get: "/a", response: "raw", ...row },
    remarks: [`the answer is the bytes of ${types}`],
  });
  const posted = (...types: string[]) => one("/a", { operationId: "x", ...rawBody(...types) }, "post");
  const answered = (...types: string[]) => one("/a", { operationId: "x", ...rawAnswer(...types) });
  test.each<[string, ReturnType<typeof one>, object]>([
    ["any bytes", posted("application/octet-stream"), raw("application/octet-stream")],
    ["protobuf", posted("application/x-protobuf"), raw("application/x-protobuf")],
    ["a text with parameters", posted("text/plain; charset=utf-8"), raw("text/plain; charset=utf-8")],
    ["parameters that no route can have", posted('text/plain; charset="utf-8"'), raw("text/plain")],
    ["a merge patch", posted("application/merge-patch+json"), raw("application/merge-patch+json")],
    ["a form without files", posted("application/x-www-form-urlencoded"), raw("application/x-www-form-urlencoded")],
    ["the first of several types", posted("application/xml", "text/csv"), raw("application/xml")],
    ["the first type without a boundary", posted("multipart/form-data", "image/*", "image/png"), raw("image/png")],
    [
      "a range of types",
      posted("image/*"),
      {
        ...{ message_type: "a.x", post: "/a", request: "raw" },
        remarks: [
          "the payload is the bytes of image/*",
          "set request_content_type, which is application/octet-stream by default",
        ],
      },
    ],
    ["JSON beside others stays JSON", posted("text/csv", "application/json"), { ...POST_A, body: "*", remarks: [] }],
    [
      "an optional query is not sent",
      one("/a", { operationId: "x", parameters: [query("q", { content: {} })], ...rawBody("image/png") }, "post"),
      raw("image/png", { remarks: ["the payload is the bytes of image/png", "the query parameter q is not sent"] }),
    ],
    ["a file as the answer", answered("image/png"), answer({ response_content_type: "image/png" }, "image/png")],
    ["several types of answers", answered("image/png", "text/csv; a=b"), answer({}, "image/png or text/csv")],
    ["a range as the answer", answered("image/*"), answer({}, "image/*")],
    [
      "lines of JSON",
      answered("application/x-ndjson"),
      answer({ response_content_type: "application/x-ndjson" }, "application/x-ndjson"),
    ],
    [
      "a format that is no JSON for the gateway",
      answered("model/gltf+json"),
      answer({ response_content_type: "model/gltf+json" }, "model/gltf+json"),
    ],
    [
      "the type of the answer that can be passed on",
      answered("multipart/mixed", "text/csv"),
      answer({ response_content_type: "text/csv" }, "text/csv"),
    ],
    [
      "JSON beside another answer stays JSON",
      answered("text/csv", "application/problem+json"),
      { message_type: "a.x", get: "/a", remarks: [] },
    ],
    [
      "an answer without a body beside a file",
      one("/a", { operationId: "x", responses: { 200: { content: { "text/csv": {} } }, 204: {} } }),
      answer({ response_content_type: "text/csv" }, "text/csv"),
    ],
    [
      "a JSON payload with a raw answer",
      one("/a/{id}", { operationId: "x", ...jsonBody({ type: "array" }), ...rawAnswer("text/html") }, "post"),
      {
        ...{ message_type: "a.x", post: "/a/{id}", body: "body", response: "raw", response_content_type: "text/html" },
        remarks: ["the field body is the body", "the answer is the bytes of text/html"],
      },
    ],
  ])("%s", (_, route, expected) => expect<unknown>(route).toEqual(expected));
});

describe("operations that no route can have are left out, each with its reason", () => {
  const cyclic = { $ref: "#/components/parameters/a" };
  test.each<[string, ReturnType<typeof one>, string]>([
    [
      "a form",
      one("/a", { requestBody: { content: { "multipart/form-data": {} } } }, "post"),
      "its body is multipart/form-data, and a route has a fixed Content-Type, without the boundary of each body",
    ],
    [
      "a file for a path with a variable",
      one("/a/{id}", { requestBody: { content: { "image/png": {} } } }, "put"),
      "its body is image/png, whose bytes have no field for {id} of its path",
    ],
    [
      "a file with a required query parameter",
      one("/a", { parameters: [query("name", { required: true })], ...rawBody("image/png") }, "post"),
      "its body is image/png, whose bytes have no field for the query parameter name",
    ],
    [
      "a DELETE with a file",
      one("/a", rawBody("image/png"), "delete"),
      "its body is image/png, and a DELETE route sends only JSON",
    ],
    [
      "events as the answer",
      one("/a", rawAnswer("text/event-stream")),
      "its answer is text/event-stream, and a route passes an answer on when it is complete",
    ],
    [
      "parts as the answer",
      one("/a", rawAnswer("multipart/mixed")),
      "its answer is multipart/mixed, and a route does not pass on the boundary in the Content-Type",
    ],
    ["a redirect", one("/a", { responses: { 302: {} } }), "it answers with a redirect"],
    ["a WebSocket", one("/a", { responses: { 101: {} } }), "it changes the protocol of the connection"],
    ["a GET with a body", one("/a", jsonBody({})), "it is a GET with a body"],
    ["HEAD", one("/a", {}, "head"), "a route has no method HEAD"],
    [
      "a required header",
      one("/a", { parameters: [{ name: "X-Key", in: "header", required: true }] }),
      "it requires the header X-Key",
    ],
    [
      "a required cookie",
      one("/a", { parameters: [{ name: "sid", in: "cookie", required: true }] }),
      "it requires the cookie sid",
    ],
    [
      "a matrix parameter",
      one("/a/{b}", { parameters: [{ name: "b", in: "path", style: "matrix" }] }),
      "the path parameter b has the style matrix",
    ],
    ["a file ending", one("/a/{id}.json", {}), "a segment of its path mixes text and a variable"],
    ["two variables in a segment", one("/a/{b}...{c}", {}), "a segment of its path mixes text and a variable"],
    ["a verb before the end", one("/a/{b}:c/d", {}), "a segment of its path mixes text and a variable"],
    ["the root", one("/", {}), "its path is /"],
    ["a fragment", one("/a#b", {}), "its path contains a query or a fragment"],
    ["a path without a slash", one("a", {}), "its path does not start with a slash"],
    ["dot segments", one("/a/../b", {}), "is neither plain text nor a {variable}"],
    ["an empty segment", one("/a//b", {}), "segment 2 of the path is empty"],
    ["a wildcard", one("/a/*", {}), 'is "*" without a field of the payload'],
    ["a long path", one(`/${"a".repeat(2000)}`, {}), "the path is longer than 1024 characters"],
    [
      "another host",
      one("/a", { servers: [{ url: "https://uploads.example/v1" }] }, "get", {}),
      "it has a server of its own, https://uploads.example",
    ],
    [
      "a parameter that refers to itself",
      importOf({ components: { parameters: { a: cyclic } }, paths: { "/a": { get: { ...OK, parameters: [cyclic] } } } })
        .leftOut[0]?.reason,
      "a $ref refers to itself",
    ],
    [
      "a reference to nothing",
      one("/a", { parameters: [{ $ref: "#/components/parameters/none" }] }),
      "a $ref refers to nothing",
    ],
    ["a reference to a prototype", one("/a", { parameters: [{ $ref: "#/constructor" }] }), "a $ref refers to nothing"],
    ["another file", one("/a", { requestBody: { $ref: "./bodies.yaml#/x" } }, "post"), "it refers to another document"],
  ])("%s", (_, reason, expected) => {
    expect(reason).toBeString();
    expect(reason).toContain(expected);
  });

  test("a cyclic schema is read once", () => {
    const schemas = { node: { type: "object", properties: { id: {} }, allOf: [{ $ref: "#/components/schemas/node" }] } };
    const put = { ...OK, operationId: "put", ...jsonBody({ $ref: "#/components/schemas/node" }) };
    const { routes } = importOf({ components: { schemas }, paths: { "/a/{id}": { put } } });
    expect(routes[0]?.row).toEqual({ message_type: "a.put", put: "/a/{path_id}", body: "*" });
  });

  test("a path item that refers to itself is left out as a whole, and one of another place is followed", () => {
    const components = { pathItems: { shared: { get: { ...OK, operationId: "shared" } } } };
    const paths = { "/a": { $ref: "#/paths/~1a" }, "/b": { $ref: "#/components/pathItems/shared" } };
    const { routes, leftOut } = importOf({ components, paths });
    expect(leftOut).toEqual([
      { operation: { method: "each method", path: "/a", operationId: undefined }, reason: "a $ref refers to itself" },
    ]);
    expect(routes.map(({ row }) => row)).toEqual([{ message_type: "b.shared", get: "/b" }]);
  });
});

describe("what operations inherit", () => {
  test("parameters of the path, unless the operation has one of the same name and place", () => {
    const parameters = [{ name: "tenant", in: "header", required: true }, query("page")];
    const own = [{ name: "tenant", in: "header", required: false }];
    const { routes, leftOut } = importOf({
      paths: { "/a": { parameters, get: { ...OK, operationId: "g", parameters: own }, post: { ...OK, operationId: "p" } } },
    });
    expect(routes.map(({ row, remarks }) => [row.message_type, remarks])).toEqual([["a.g", ["the header tenant is not sent"]]]);
    expect(leftOut[0]?.reason).toContain("it requires the header tenant");
  });

  test.each<[string, object, string]>([
    ["a path", { servers: [{ url: "https://a.example/api/v3/" }] }, "/api/v3/a"],
    ["a relative URL", { servers: [{ url: "/base" }] }, "/base/a"],
    [
      "a URL with variables",
      { servers: [{ url: "https://{host}/{v}", variables: { host: { default: "b.example" }, v: { default: "v2" } } }] },
      "/v2/a",
    ],
    ["none", {}, "/a"],
    ["an empty list", { servers: [] }, "/a"],
  ])("the server: %s", (_, document, path) => {
    const { routes } = importOf({ ...document, paths: { "/a": { get: { ...OK, operationId: "g" } } } });
    expect(routes[0]?.row["get"]).toBe(path);
  });

  test("an own server of the same host has its own path, and --base-path replaces that of the document", () => {
    const document = {
      servers: [{ url: "https://a.example/v1" }],
      paths: {
        "/a": { get: { ...OK, operationId: "g" } },
        "/b": { servers: [{ url: "https://a.example/v2" }], get: { ...OK, operationId: "h" } },
      },
    };
    expect(importOf(document).routes.map(({ row }) => row["get"])).toEqual(["/v1/a", "/v2/b"]);
    expect(importOf(document, { basePath: "/x/" }).routes.map(({ row }) => row["get"])).toEqual(["/x/a", "/v2/b"]);
    expect(importOf(document, { basePath: "/" }).routes.map(({ row }) => row["get"])).toEqual(["/a", "/v2/b"]);
  });

  test("tags and paths select operations", () => {
    const get = { ...OK, operationId: "g", tags: ["x"] };
    const document = {
      paths: { "/a/b": { get }, "/a": { get: { ...OK, operationId: "h" } }, "/c": { get: { ...get, tags: ["y"] } } },
    };
    const pathsOf = (options: ImportOptions) => importOf(document, options).routes.map(({ path }) => path);
    expect(pathsOf({ tags: ["x"] })).toEqual(["/a/b"]);
    expect(pathsOf({ tags: ["x", "y"] })).toEqual(["/a/b", "/c"]);
    expect(pathsOf({ pathPrefixes: ["/a"] })).toEqual(["/a/b", "/a"]);
    expect(pathsOf({ tags: ["z"] })).toEqual([]);
  });
});

describe("paths that collide", () => {
  test("the second route with the same method and path is left out", () => {
    const get = (operationId: string) => ({ get: { ...OK, operationId } });
    const { routes, leftOut } = importOf({ paths: { "/a/{id}": get("one"), "/a/{name}": get("two"), "/a/me": get("three") } });
    expect(routes.map(({ row }) => row["get"])).toEqual(["/a/{id}", "/a/me"]);
    expect(leftOut[0]?.reason).toBe("the route a.one has the same method and path");
  });

  test("a path that YAML gives twice is refused", () => {
    const text = "openapi: 3.0.3\npaths:\n  /a:\n    get: {}\n  /a:\n    post: {}\n";
    expect(() => new OpenApiDocument(text)).toThrow("a path occurs twice in paths");
  });
});

describe("message types", () => {
  test.each([
    ["getPetById", ["pet"], "pet.get_pet_by_id"],
    ["pet_list", ["Pet"], "pet.list"],
    ["repos/list-for-user", ["x"], "repos.list_for_user"],
    ["users.v2:get", [], "users.v2.get"],
    ["PetsController_findAll", ["x"], "pets.find_all"],
    ["read_item_items__item_id__get", [], "items.read_item"],
    ["HTTPServerID2FA", ["a"], "a.http_server_id2_fa"],
    ["Ünïcode Größe", ["Straße"], "stra_e.unicode_gro_e"],
    ["日本語", ["日本"], "items.by_item_id.get"],
    ["2fa", ["auth"], "auth.n2fa"],
    ["gateway.reset", [], "api.gateway.reset"],
    ["reset", ["gateway"], "api.gateway.reset"],
    ["", ["a"], "items.by_item_id.get"],
    ["x".repeat(500), ["a"], `a.${"x".repeat(118)}`],
    ["__proto__", ["constructor"], "constructor.proto"],
  ])("%p with the tags %p", (operationId, tags, expected) => {
    const { routes } = importOf({ paths: { "/items/{item_id}": { get: { ...OK, operationId, tags } } } });
    expect(routes[0]?.row.message_type).toBe(expected);
  });

  test("an operationId that occurs several times gets numbers", () => {
    const at = (path: string) => [path, { get: { ...OK, operationId: "a.get" }, post: { ...OK, operationId: "a.get" } }];
    const { routes } = importOf({ paths: Object.fromEntries([at("/x"), at("/y")]) });
    expect(routes.map(({ row }) => row.message_type)).toEqual(["a.get", "a.get_2", "a.get_3", "a.get_4"]);
  });
});

describe("documents", () => {
  test.each([
    ["Swagger 2.0", '{"swagger":"2.0"}', "is of Swagger 2.0; convert it to OpenAPI 3.0"],
    ["another version", "openapi: 4.0.0", 'no field "openapi" with such a version'],
    ["a number as the version", "openapi: 3.1", 'no field "openapi" with such a version'],
    ["a list", "[]", "the document is not an object"],
    ["nothing", "", "the document is not an object"],
    ["HTML", "<!doctype html>\n<a b='c'>: [", "not JSON or YAML"],
    ["half a JSON text", '{"openapi":"3.0.0","paths":{', "not JSON or YAML"],
    ["deep nesting", `openapi: 3.0.0\npaths: ${"[".repeat(20_000)}`, "not JSON or YAML|nested too deeply"],
    ["aliases that expand without end", billionLaughs(), "aliases expand to too many values"],
  ])("%s is refused", (_, text, problem) => {
    expect(() => new OpenApiDocument(text)).toThrow(DocumentError);
    expect(() => new OpenApiDocument(text)).toThrow(new RegExp(problem.replaceAll(/[.[\]]/g, "\\$&")));
  });

  test("YAML with anchors, aliases, merge keys, a byte order mark and comments", () => {
    const { routes } = importOf(`\uFEFF# pets
openapi: 3.0.3
x-ok: &ok
  responses: &answers { 200: { description: ok, content: { application/json: {} } } }
paths:
  /a:
    get: { <<: *ok, operationId: a.get }
  /b:
    post:
      operationId: b.post
      responses: *answers
`);
    expect(routes.map(({ row }) => row)).toEqual([
      { message_type: "a.get", get: "/a" },
      { message_type: "b.post", post: "/b" },
    ]);
  });

  test("an alias may occur hundreds of times", () => {
    const paths = Array.from(
      { length: 500 },
      (_, at) => `  /p${at}:\n    get: { operationId: p.g${at}, responses: *r }\n`,
    ).join("");
    const text = `openapi: 3.0.0\nx: &r { 200: { description: ok } }\npaths:\n${paths}`;
    expect(importOf(text).routes).toHaveLength(500);
  });

  test("what a document contains cannot leave its comment in the output", () => {
    const evil = '\n[backend]\nurl = "http://evil.example"\r\u2028# \u001b[2J\u202e';
    const { routes, leftOut } = importOf({
      paths: {
        "/a": { get: { ...OK, operationId: "a.b", summary: evil, parameters: [{ name: evil, in: "header" }] } },
        [`/${evil}`]: { get: { ...OK, operationId: evil } },
      },
    });
    expect([routes.length, leftOut.length]).toEqual([1, 1]);
    const toml = routesToml({ routes, leftOut }, { file: "a.yaml", origin: "" });
    expect(toml).not.toMatch(/^url/m);
    expect(toml).not.toMatch(/[^\n\x20-\x7e]/);
  });

  test("random documents are imported to a file that the gateway accepts, and no operation is lost", () => {
    const segment = fc.oneof(
      fc.constantFrom("{id}", "{a-b}", "{id}:x", "v1", "pets", "", "..", "{x}.json"),
      fc.string({ maxLength: 6 }),
    );
    const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join("/")}`);
    const name = fc.oneof(fc.constantFrom("id", "body", "a_b", "__proto__", "x.y"), fc.string({ minLength: 1, maxLength: 5 }));
    const schema = fc.dictionary(name, fc.constant({ type: "string" })).map((properties) => ({ type: "object", properties }));
    const operation = fc.record({
      operationId: fc.option(fc.string(), { nil: undefined }),
      tags: fc.array(fc.string(), { maxLength: 2 }),
      summary: fc.string(),
      parameters: fc.array(fc.record({ name, in: fc.constantFrom("query", "path", "header") }), { maxLength: 4 }),
      requestBody: fc.option(
        schema.map((each) => jsonBody(each).requestBody),
        { nil: undefined },
      ),
      responses: fc.constantFrom(OK.responses, { 204: {} }, { default: {} }, { 302: {} }),
    });
    const item = fc.dictionary(fc.constantFrom("get", "put", "post", "delete", "patch", "head"), operation);
    fc.assert(
      fc.property(fc.dictionary(path, item, { maxKeys: 6 }), (paths) => {
        const count = Object.values(paths).reduce((sum, each) => sum + Object.keys(each).length, 0);
        const { routes, leftOut } = importOf({ paths });
        expect(routes.length + leftOut.length).toBe(count);
      }),
      { numRuns: 50 },
    );
  });

  test("a document with 5,000 operations and deep schemas is imported in bounded time", () => {
    const part = (at: number) => ({
      allOf: [{ $ref: `#/components/schemas/s${at + 1}` }, { $ref: `#/components/schemas/s${at + 2}` }],
    });
    const schemas = Object.fromEntries(Array.from({ length: 3000 }, (_, at) => [`s${at}`, part(at)]));
    const post = { ...OK, ...jsonBody({ $ref: "#/components/schemas/s0" }) };
    const paths = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`/p${at}/{id}`, { post: at < 50 ? post : OK }]));
    const document = new OpenApiDocument(JSON.stringify({ ...INFO, components: { schemas }, paths }));
    expect(importRoutes(document).routes).toHaveLength(5000);
  }, 60_000);
});

function billionLaughs(): string {
  const lines = Array.from({ length: 9 }, (_, at) => `x${at + 1}: &a${at + 1} [${`*a${at},`.repeat(9)}]`);
  return ["openapi: 3.0.0", "x0: &a0 [1]", ...lines].join("\n");
}
