import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import { EMAIL_LOGIN } from "../../../src/core/public-routes.ts";

/** The configuration of a file with this content. */
function load(toml: string) {
  return loadConfig({ env: {}, argv: ["--config", "gw.toml"], readFile: () => toml });
}

function problemsOf(toml: string): readonly string[] {
  try {
    load(toml);
    return [];
  } catch (error) {
    return error instanceof ConfigError ? error.problems : [String(error)];
  }
}

const row = (lines: string) => `[[public_routes]]\nmethod = "POST"\npath = "/v1/x"\n${lines}\n`;
const get = (lines: string) => `[[public_routes]]\nmethod = "GET"\npath = "/v1/x"\n${lines}\n`;

test("without the table, the rows are the two calls of login by e-mail code", () => {
  expect(load("").public_routes).toEqual(EMAIL_LOGIN);
  expect(load(row("")).public_routes).toEqual([{ method: "POST", path: "/v1/x" }]);
  expect(load("public_routes = []").public_routes).toEqual([]);
});

describe("a wrong row is refused at the start, by its line and its name", () => {
  const KINDS = "email, email?, challenge, challenge?, code, code?, text, text?, metadata, metadata?, any, any?";
  const cases: readonly [name: string, toml: string, problem: string][] = [
    [
      "a method of HTTP that has no body or answer of its own",
      row("").replace("POST", "OPTIONS"),
      "public_routes[0].method (gw.toml:2): row /v1/x: got a text that is not shown, expected one of GET, POST, PUT, PATCH, DELETE",
    ],
    [
      "no path",
      '[[public_routes]]\nmethod = "GET"\nname = "a"',
      "public_routes[0].path (gw.toml:1): row a: got nothing, expected a path on the edge that the gateway does not serve itself, such as /api/v1/public/status",
    ],
    [
      "an unknown field",
      row('clas = "public_misc"'),
      'public_routes[0].clas (gw.toml:4): row /v1/x: unknown field (did you mean "class"?)',
    ],
    [
      "an unknown class",
      row('class = "public"'),
      'public_routes[0].class (gw.toml:4): row /v1/x: got a text that is not shown, expected one of public_auth, public_misc; did you mean "public_auth"?',
    ],
    [
      "a kind that does not exist",
      row('fields = { a = "string" }'),
      `public_routes[0].fields.a (gw.toml:4): row /v1/x: got a text that is not shown, expected one of ${KINDS}`,
    ],
    [
      "a budget without burst",
      row("budget = { rate = 1 }"),
      "public_routes[0].budget.burst (gw.toml:4): row /v1/x: got nothing, expected an integer from 1 to 1000000 (tokens)",
    ],
    [
      "the name of a shared budget",
      row('name = "send_code"'),
      "public_routes[0].name (gw.toml:4): row send_code: got a text that is not shown, expected a-z, then up to 39 of a-z, 0-9, '_', '.', '-'; not public_auth, public_misc, send_code, confirm_code, failures",
    ],
    [
      "a variable at the backend that the edge does not have",
      row('backend_path = "/y/{id}"'),
      "public_routes[0].backend_path (gw.toml:4): row /v1/x: has {id}, but path has no such variable",
    ],
    [
      "a variable that gets lost",
      '[[public_routes]]\nmethod = "GET"\npath = "/v1/{id}"\nbackend_path = "/y"',
      "public_routes[0].backend_path (gw.toml:4): row /v1/{id}: lacks {id} of path, so its value would be lost",
    ],
    [
      "a field that is also a variable",
      '[[public_routes]]\nmethod = "POST"\npath = "/v1/{id}"\nfields = { id = "text" }',
      "public_routes[0].fields (gw.toml:4): row /v1/{id}: id is also a variable of path, expected only one of them",
    ],
    [
      "an identity that is no field",
      row('fields = { a = "text" }\nidentity = { field = "b", kind = "opaque", budget = "send_code" }'),
      "public_routes[0].identity (gw.toml:5): row /v1/x: b is neither in fields nor a variable of path",
    ],
    [
      "an identity that may be missing",
      row('fields = { a = "text?" }\nidentity = { field = "a", kind = "opaque", budget = "send_code" }'),
      "public_routes[0].identity (gw.toml:5): row /v1/x: a is optional, expected a required field",
    ],
    [
      "an identity that is no text",
      row('fields = { a = "metadata" }\nidentity = { field = "a", kind = "opaque", budget = "send_code" }'),
      "public_routes[0].identity (gw.toml:5): row /v1/x: a is metadata, expected text",
    ],
    [
      "an identity of a query without fields",
      get('identity = { field = "a", kind = "opaque", budget = "send_code" }'),
      "public_routes[0].identity (gw.toml:4): row /v1/x: a is neither in fields nor a variable of path",
    ],
    [
      "an identity without a budget",
      row('identity = { field = "a", kind = "opaque" }'),
      "public_routes[0].identity.budget (gw.toml:4): row /v1/x: got nothing, expected one of send_code, confirm_code",
    ],
    [
      "a key in fields and by registers_key",
      row('fields = { client_public_key = "text" }\nregisters_key = true'),
      "public_routes[0].fields (gw.toml:4): row /v1/x: client_public_key belongs to registers_key, expected no entry for it",
    ],
    [
      "GET with a body",
      get("body_bytes_max = 100"),
      "public_routes[0].body_bytes_max (gw.toml:4): row /v1/x: GET has no body, expected no such field",
    ],
    [
      "DELETE that registers a key",
      row("registers_key = true").replace("POST", "DELETE"),
      "public_routes[0].registers_key (gw.toml:4): row /v1/x: DELETE has no body, expected POST, PUT or PATCH",
    ],
    [
      "GET with a field that is no text",
      get('fields = { a = "any" }'),
      "public_routes[0].fields (gw.toml:4): row /v1/x: a must be text, because GET sends it in the query",
    ],
    [
      "a body without a bound",
      row("body_bytes_max = 1000000"),
      "public_routes[0].body_bytes_max (gw.toml:4): row /v1/x: got 1000000, expected an integer from 2 to 65536 (bytes)",
    ],
    [
      "an answer above the maximum",
      row('name = "a"\nresponse_bytes_max = 2000000'),
      "public_routes: response_bytes_max of row a is 2000000, expected at most backend.response_bytes_max (1048576) (public_routes: gw.toml:1; backend.response_bytes_max: default)",
    ],
    [
      "a cached POST",
      row('pass_headers = ["cache-control"]'),
      "public_routes[0].pass_headers (gw.toml:4): row /v1/x: has cache-control, expected it only with GET",
    ],
    [
      "a status that never passes",
      row("pass_statuses = [500]"),
      "public_routes[0].pass_statuses[0] (gw.toml:4): row /v1/x: got 500, expected one of 204, 401, 403",
    ],
    [
      "the path of the session look-up",
      row('backend_path = "/api/v1/internal/sessions/{id}"').replace("/v1/x", "/v1/{id}"),
      "public_routes: backend_path of row /v1/{id} can match backend.session_path, expected another path: everybody could look sessions up (public_routes: gw.toml:1; backend.session_path: default)",
    ],
    [
      "the path of the session look-up with a matrix parameter",
      row('backend_path = "/api/v1/internal/sessions;a/{id}"').replace("/v1/x", "/v1/{id}"),
      "public_routes: backend_path of row /v1/{id} can match backend.session_path, expected another path: everybody could look sessions up (public_routes: gw.toml:1; backend.session_path: default)",
    ],
    [
      "the same method and path twice",
      row("") + row(""),
      "public_routes[1].path (gw.toml:7): row /v1/x: expected a method and path that no other row has; they are also those of public_routes[0]",
    ],
    [
      "two methods of a path without names",
      row("") + get(""),
      "public_routes[1].name (gw.toml:5): row /v1/x: missing, expected one for each method of a path; the path is also that of public_routes[0]",
    ],
    [
      "one name for two rows",
      row('name = "a"') + get('name = "a"').replace("/v1/x", "/v1/y"),
      "public_routes[1].name (gw.toml:8): row a: expected a unique name; it is also that of public_routes[0]",
    ],
    [
      "two paths that match the same path",
      row("") + get("").replace("/v1/x", "/v1/{id}"),
      "public_routes[1].path (gw.toml:7): row /v1/{id}: matches paths that are also matched by public_routes[0]",
    ],
  ];

  test.each(cases)("%s", (_, toml, problem) => expect(problemsOf(toml)).toEqual([problem]));

  const OWN = "must not start with /healthz, /metrics, /playground, /readyz, /revoke, /streams: these are paths of the gateway";

  test.each([
    [
      "/sallyport.v1.Gateway/ExecuteCommand",
      "must not have a dot in its first segment: such paths are RPCs and the gateway's keys",
    ],
    ["/grpc.health.v1.Health/Check", "must not have a dot in its first segment: such paths are RPCs and the gateway's keys"],
    ["/.well-known/jwks.json", "must not have a dot in its first segment: such paths are RPCs and the gateway's keys"],
    ["/{service}/{method}", "must not start with a {variable}: it could match the path of an RPC"],
    ["/playground/setup", OWN],
    ["/healthz", OWN],
    ["/", "segment 1 is neither plain text nor a {variable}"],
    ["/a/../b", "segment 2 is neither plain text nor a {variable}"],
    ["/a/%62", "segment 2 is neither plain text nor a {variable}"],
    ["/a?b=c", 'must not contain "?", because a path has no query'],
    ["/a/*", "segment 2 is neither plain text nor a {variable}"],
  ])("a path that the gateway serves itself, or that is no path: %s", (path, reason) => {
    const [problem = "", ...more] = problemsOf(row('name = "a"').replace("/v1/x", path));
    expect(more).toEqual([]);
    expect(problem).toBe(
      `public_routes[0].path (gw.toml:3): row a: got a text that is not shown, expected a path on the edge that the gateway does not serve itself, such as /api/v1/public/status; the path ${reason}`,
    );
  });

  test.each([
    "set-cookie",
    "Set-Cookie",
    "transfer-encoding",
    "access-control-allow-origin",
    "www-authenticate",
    "location",
    "content-type",
    "x y",
    "x-a\\r\\nb",
    "",
  ])("the header %j cannot pass", (name) =>
    expect(problemsOf(row(`pass_headers = ["${name}"]`))[0]).toContain("expected the lower-case name of a response header"),
  );

  test("no problem quotes a text that may be a secret", () => {
    const secret = "hunter2-hunter2-Hunter2";
    const toml = row(`name = "${secret}"\nbackend_path = "${secret}"\nclass = "${secret}"\nfields = { a = "${secret}" }`);
    expect(problemsOf(toml)).toHaveLength(4);
    expect(problemsOf(toml).join()).not.toContain(secret);
  });
});
