import { describe, expect, test } from "bun:test";
import { loadConfig, resolveConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

/** What an operator reads about a wrong route: the line of the file, the message type, and what to write instead. */

function problemsOf(path: string, text: string): readonly string[] {
  try {
    loadConfig({ env: {}, argv: ["--config", path], readFile: () => text });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

const toml = (...lines: string[]) => problemsOf("gateway.toml", lines.join("\n"));
const route = (...fields: string[]) => toml("[[routes]]", 'message_type = "a.b"', ...fields);

describe("the line of a route", () => {
  const bad = (place: string) => [`routes[1].get (${place}): a.c: segment 4 of the path is empty`];

  test("TOML: also after strings and comments that contain a header", () => {
    const text = [
      "# [[routes]]",
      "[push]",
      'gateway_id = "a" # [[routes]]',
      "[[ routes ]]",
      'message_type = "a.b"',
      'get = """',
      "/api/v1/user/a\\",
      '"""',
      "",
      '[["routes"]] # the second',
      'message_type = "a.c"',
      'get = "/api/v1/user//x"',
    ];
    expect(toml(...text)).toEqual(bad("gateway.toml:12"));
  });

  test("YAML and JSON", () => {
    const yaml = "routes:\n  - {message_type: a.b, get: /api/v1/user/a}\n\n  - message_type: a.c\n    get: /api/v1/user//x\n";
    expect(problemsOf("gateway.yaml", yaml)).toEqual(bad("gateway.yaml:5"));
    const json =
      '{"routes": [\n{"message_type": "a.b", "get": "/api/v1/user/a"},\n{"message_type": "a.c", "get": "/api/v1/user//x"}]}';
    expect(problemsOf("gateway.json", json)).toEqual(bad("gateway.json:3"));
  });

  test("a list in one line", () => {
    expect(toml('routes = [{message_type = "a.b", get = "/api/v1/user//x"}]')).toEqual([
      "routes[0].get (gateway.toml:1): a.b: segment 4 of the path is empty",
    ]);
  });
});

describe("wrong routes", () => {
  const cases: [string[], string, string][] = [
    [["path = '/api/v1/user/x'"], ".method:1", "got nothing, expected one of GET, POST, PUT, PATCH, DELETE"],
    [["method = 'GET'"], ".path:1", "got nothing, expected the path of the backend's call"],
    [[], ":1", "method and path are missing, expected both, or one of get, put, post, patch and delete"],
    [["get = '/api/v1/user/x'", "post = '/api/v1/user/x'"], ":1", "get and post are given, expected one of them"],
    [["method = 'GET'", "get = '/api/v1/user/x'"], ":1", "get is given with method, expected only get"],
    [["path = '/api/v1/user/x'", "get = '/api/v1/user/x'"], ":1", "get is given with path, expected only get"],
    [
      ["get = '/api/v1/user/x'", "body = '*'"],
      ".body:4",
      "a GET has no body, expected no body; the fields that the path does not use are the query",
    ],
    [["put = '/api/v1/user/{a}'", "body = 'a'"], ".body:4", "a is also a variable of the path, expected another field"],
    [["put = '/api/v1/user/{a.b}'", "body = 'a'"], ".body:4", "a is also a variable of the path, expected another field"],
    [
      ["put = '/api/v1/user/a'", "body = 'a.b'"],
      ".body:4",
      'got a text that is not shown, expected "*" or the name of a field of the payload',
    ],
    [
      ["get = '/api/v1/user/x'", "additional_bindings = [{get = '/api/v1/user/y'}]"],
      ".additional_bindings:4",
      "a message type has one call, expected another route with a message_type of its own",
    ],
    ...["/api/v1/user/x?y=1", "/api/v1/user/{a}:run?y", "/api/v1/user/{a?}"].map((path): [string[], string, string] => [
      [`get = '${path}'`],
      ".get:3",
      'the path contains "?", expected no query: fields of the payload that are in neither the path nor the body become the query',
    ]),
    [["gett = '/api/v1/user/x'"], ".gett:3", 'unknown field (did you mean "get"?)'],
    [["get = '/api/v1/user/{a=**}/b'"], ".get:3", '"**" must be the last segment of the path'],
  ];
  test.each(cases)("%p", (fields, place, problem) => {
    const [field, line] = place.split(":");
    expect(route(...fields)).toEqual([`routes[0]${field} (gateway.toml:${line}): a.b: ${problem}`]);
  });

  test("a message type that occurs twice is named with its line", () => {
    expect(
      toml(
        "[[routes]]",
        "message_type = 'a.b'",
        "get = '/api/v1/user/x'",
        "[[routes]]",
        "message_type = 'a.b'",
        "get = '/api/v1/user/y'",
      ),
    ).toEqual(['routes[1].message_type (gateway.toml:5): got "a.b" a second time, expected each once']);
  });

  const two = (first: string, second: string) =>
    toml("[[routes]]", "message_type = 'a.b'", first, "[[routes]]", "message_type = 'a.c'", second);
  const raw = "request = 'raw'";

  test.each([
    [`post = '/api/v1/user/x'\n${raw}`, `post = '/api/v1/user/x'\nbody = '*'\n${raw}`],
    [`post = '/api/v1/user/x'\n${raw}`, `method = 'POST'\npath = '/api/v1/user/x'\n${raw}`],
    ["post = '/api/v1/user/x'\nbody = '*'", "method = 'POST'\npath = '/api/v1/user/x'"],
    ["post = '/api/v1/user/x'\nbody = '*'", "post = '/api/v1/user/x'\nbody = '*'\nrequest = 'json'\nresponse = 'json'"],
    ["get = '/api/v1/user/x/{id}'", "get = '/api/v1/user/x/{id=*}'"],
  ])("two spellings of one mapping do not conflict: %p", (first, second) => {
    expect(two(first, second)).toEqual([]);
    expect(two(second, first)).toEqual([]);
  });

  test("two message types with one call conflict if they map the payload differently", () => {
    const problem =
      "routes[1] (gateway.toml:4): a.c conflicts with a.b: both have this method and path, but map the payload in different ways; expected one of them, or the same mapping";
    expect(two("get = '/api/v1/user/x/{id}'", "get = '/api/v1/user/x/{name}'")).toEqual([problem]);
    expect(two("post = '/api/v1/user/x'", "post = '/api/v1/user/x'\nbody = '*'")).toEqual([problem]);
    expect(two("get = '/api/v1/user/{a=x/*}'", "get = '/api/v1/user/x/{a}'")).toEqual([problem]);
    expect(two("get = '/api/v1/user/x/{id}'", "method = 'GET'\npath = '/api/v1/user/x/{id}'")).toEqual([problem]);
    expect(two("post = '/api/v1/user/x'", `post = '/api/v1/user/x'\n${raw}`)).toEqual([problem]);
    expect(two("get = '/api/v1/user/x/{id}'", "get = '/api/v1/user/x/{id}'")).toEqual([]);
    expect(two("get = '/api/v1/user/x/{id}'", "delete = '/api/v1/user/x/{name}'")).toEqual([]);
    expect(two("get = '/api/v1/user/x/{id}'", "get = '/api/v1/user/x/{name}:run'")).toEqual([]);
  });
});

describe("backend.route_prefixes", () => {
  const withPrefixes = (prefixes: string, path: string) =>
    toml("[backend]", `route_prefixes = ${prefixes}`, "[[routes]]", "message_type = 'a.b'", `get = '${path}'`);
  const outside = (prefixes: string) => [
    `routes[0].get (gateway.toml:5): a.b: the path is not below ${prefixes}, expected such a path, or its prefix in backend.route_prefixes`,
  ];

  test("a path outside of them is refused", () => {
    expect(route("get = '/api/v2/x'")).toHaveLength(1);
    expect(withPrefixes('["/v2/", "/v3/"]', "/v1/x")).toEqual(outside("/v2/ or /v3/"));
    expect(withPrefixes('["/v2/"]', "/v2x/y")).toEqual(outside("/v2/"));
    expect(withPrefixes('["/v2/"]', "/v2")).toEqual(outside("/v2/"));
    expect(withPrefixes('["/v2/"]', "/v2/")).toEqual(outside("/v2/"));
    expect(withPrefixes('["/v2/rooms/"]', "/v2/{room}")).toEqual(outside("/v2/rooms/"));
    expect(withPrefixes('["/v2/rooms/"]', "/v2/{name=**}")).toEqual(outside("/v2/rooms/"));
    expect(withPrefixes('["/v2/rooms/"]', "/{name=v2/*}")).toEqual(outside("/v2/rooms/"));
  });

  test("a path below one of them is accepted", () => {
    expect(withPrefixes('["/v2/", "/v3/"]', "/v3/x")).toEqual([]);
    expect(withPrefixes('["/v2/"]', "/v2/{name=**}")).toEqual([]);
    expect(withPrefixes('["/v2/rooms/"]', "/v2/{name=rooms/*}")).toEqual([]);
    expect(withPrefixes('["/"]', "/x")).toEqual([]);
    expect(withPrefixes('["/"]', "/{id}")).toEqual([]);
  });

  test("wrong prefixes are the only problem, however many routes there are", () => {
    for (const wrong of ['route_prefixes = ["v2"]', 'route_prefixs = ["/v2/"]', 'route_prefixes = ["/v2/", "/v3"]']) {
      const routes = ["a.b", "a.c"].map((type) => `[[routes]]\nmessage_type = "${type}"\nget = "/v2/${type}"`);
      expect(toml("[backend]", wrong, ...routes)).toEqual([expect.stringMatching(/^backend\.route_prefix/)]);
    }
    const twice = toml("[backend]", 'route_prefixes = ["/v2/"]', "[[routes]]", "message_type = 'a.b'", "get = '/v3/x'");
    expect(twice).toHaveLength(1);
  });

  test("a prefix has a slash at both ends and plain segments", () => {
    for (const prefix of ["/v2", "v2/", "", "//", "/../", "/v2/{a}/", "/v2/*/", "https://backend/"]) {
      expect(toml("[backend]", `route_prefixes = ['${prefix}']`)[0]).toMatch(
        /^backend.route_prefixes\[0\] .*expected a path such as "\/v2\/"/,
      );
    }
    expect(toml("[backend]", "route_prefixes = []")).toHaveLength(1);
  });
});

describe("backend.identity_headers", () => {
  const named = (name: string) => toml("[backend.identity_headers]", `user_id = '${name}'`);

  test("a header that carries something else, or belongs to the connection, is refused", () => {
    const reserved = [
      "Host",
      "authorization",
      "Content-Type",
      "content-length",
      "Transfer-Encoding",
      "Connection",
      "Keep-Alive",
      "TE",
    ];
    for (const name of [
      ...reserved,
      "Upgrade",
      "Proxy-Authorization",
      "Accept",
      "Accept-Language",
      "User-Agent",
      "traceparent",
      "Cookie",
    ]) {
      expect(named(name)).toHaveLength(1);
    }
  });

  test("a name that is no token is refused", () => {
    for (const name of ["", "X User", "X-User:", "X-Usér", "X\u0001", "x".repeat(65), "X-User\\r\\nX-Admin"]) {
      expect(toml("[backend.identity_headers]", `user_id = ${JSON.stringify(name)}`)).toHaveLength(1);
    }
    expect(named("x-user_id.v2")).toEqual([]);
  });

  test("two identities in one header are refused", () => {
    expect(named("x-request-ID")).toEqual([
      "backend.identity_headers.request_id: the same header as backend.identity_headers.user_id, expected a different one",
    ]);
  });
});

test("a field of another program is refused with the names of the fields", () => {
  const routes = JSON.stringify([{ message_type: "a.b", get: "/api/v1/user/a", plugins: ["auth"] }]);
  const { problems } = resolveConfig({ env: { SALLYPORT_ROUTES: routes } });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(
    "routes[0].plugins (variable SALLYPORT_ROUTES): a.b: unknown field; the fields are message_type, ",
  );
});
