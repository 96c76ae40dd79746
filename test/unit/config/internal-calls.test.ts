import { expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

/** Routes that would give every client what only the gateway may call, such as those of an imported OpenAPI document. */

const ROWS = `
[[public_routes]]
name = "oidc"
method = "POST"
path = "/api/v1/public/auth/{provider}"
backend_path = "/login/{provider}/exchange"
registers_key = true

[[public_routes]]
name = "sign-up"
method = "POST"
path = "/api/v1/public/accounts"
backend_path = "/accounts"
fields = { email = "email" }
identity = { field = "email", kind = "email", budget = "send_code" }

[[public_routes]]
name = "status"
method = "GET"
path = "/api/v1/public/status"
backend_path = "/status"
class = "public_misc"
`;

function problemsOf(call: string): readonly string[] {
  const backend = `[backend]\nroute_prefixes = ["/"]\nsession_path = "/internal/sessions/{device_session_id}"\n`;
  const route = `[[routes]]\nmessage_type = "a.b"\n${call}\n`;
  try {
    loadConfig({ env: {}, argv: ["--config", "gateway.toml"], readFile: () => backend + route + ROWS });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

test.each([
  "get = '/internal/sessions/{session_id}'",
  "get = '/internal/sessions/{session_id}/'",
  "get = '/internal/{a}/{b}'",
  "get = '/internal/sessions;a=b/{session_id}'",
  "get = '/internal/;a/sessions/{session_id}'",
  "get = '/Internal/Sessions/{session_id}'",
  "get = '/{all=**}'",
  "get = '/internal/{all=sessions/*}'",
  "method = 'GET'\npath = '/{all=internal/**}'",
])("a route that can look sessions up is refused, with its line: %s", (call) => {
  expect(problemsOf(call)).toEqual([
    "routes[0] (gateway.toml:4): a.b can call backend.session_path, expected another path: every client could look sessions up",
  ]);
});

test.each([
  ["post = '/login/{provider}/exchange'", "oidc"],
  ["post = '/login/github/exchange'\nbody = '*'", "oidc"],
  ["post = '/Login;a/github/exchange'\nbody = '*'", "oidc"],
  ["post = '/{all=**}'\nbody = '*'", "oidc"],
  ["post = '/accounts'\nbody = '*'", "sign-up"],
  ["post = '/accounts/'\nbody = '*'", "sign-up"],
  ["method = 'POST'\npath = '/{what}'", "sign-up"],
])("a route that can call a login or a call with an identity is refused: %s", (call, row) => {
  expect(problemsOf(call)).toEqual([
    `routes[0] (gateway.toml:4): a.b can call the backend_path of the public route ${row}, expected another path: a command does not spend the budgets of that row`,
  ]);
});

test.each([
  "get = '/internal/sessions'",
  "get = '/internal/sessions/mine'",
  "get = '/internal/sessions/{id}/events'",
  "get = '/internal/sessions/{id}:describe'",
  "delete = '/internal/sessions/{id}'",
  "post = '/login/{provider}'",
  "put = '/login/{provider}/exchange'",
  "get = '/accounts'",
  "get = '/status'",
  "get = '/{a}'",
])("other routes beside them are accepted: %s", (call) => {
  expect(problemsOf(call)).toEqual([]);
});
