import { afterEach, beforeEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Shell } from "../../support/cli/shell.ts";

/** `sallyport routes`: an operator sees what each message type does, before the gateway runs. */

let shell: Shell;
beforeEach(() => {
  shell = new Shell();
});
afterEach(() => shell.close());

const BACKEND = '[backend]\nurl = "http://127.0.0.1:9000/base/"\nroute_prefixes = ["/v2/"]\n';
const ROUTES = `
[[routes]]
message_type = "rooms.get"
get = "/v2/rooms/{room.id}"
budget = { rate = 1, burst = 5 }

[[routes]]
message_type = "rooms.message.send"
post = "/v2/rooms/{room_id}/messages:send"
body = "message"
timeout_ms = 3000
keep_answer_ms = 1000
payload_bytes_max = 2000
response_bytes_max = 3000
retries_max = 0
response_body = "sent"

[[routes]]
message_type = "rooms.open"
method = "POST"
path = "/v2/rooms"
`;
const PUBLIC =
  '\n[[public_routes]]\nname = "status"\nmethod = "GET"\npath = "/status"\nbackend_path = "/v2/status"\nclass = "public_misc"\n';

function write(content: string): void {
  writeFileSync(join(shell.folder, "gateway.toml"), content, { mode: 0o600 });
}

test("the table has the call, the mapping and the limits of each route, and where it is written", async () => {
  write(BACKEND + ROUTES + PUBLIC);
  const { code, out, err } = await shell.run("sallyport routes gateway.toml");
  expect([code, err]).toEqual([0, ""]);
  expect(out.split("\n").map((line) => line.replaceAll(/ {2,}/g, "  "))).toEqual([
    "backend: http://127.0.0.1:9000/base",
    "",
    "message type  method  path  backend path  payload  timeout  max. request  max. answer  budget  further fields  written in",
    "rooms.get  GET  /v2/rooms/{room.id}  /base/v2/rooms/{room.id}  path: room.id; query: rest  5000 ms  262144 B  1048576 B  { rate = 1, burst = 5 }  gateway.toml:5",
    "rooms.message.send  POST  /v2/rooms/{room_id}/messages:send  /base/v2/rooms/{room_id}/messages:send  path: room_id; body: message; query: rest; answer in: sent  3000 ms  2000 B  3000 B  keep_answer_ms = 1000, retries_max = 0  gateway.toml:10",
    "rooms.open  POST  /v2/rooms  /base/v2/rooms  body: all fields  5000 ms  262144 B  1048576 B  gateway.toml:21",
    "",
    "public route  method  path  backend path  payload  timeout  max. request  max. answer  budget  written in",
    "status  GET  /status  /base/v2/status  query: none  5000 ms  8192 B  1048576 B  public_misc  gateway.toml:26",
    "",
  ]);
});

test("without routes and backend, the defaults are shown; a variable and a flag count as for serve", async () => {
  write("");
  const { code, out } = await shell.run("sallyport routes gateway.toml");
  expect(code).toBe(0);
  expect(out).toStartWith("backend: not set\n\nno message types\n\npublic route ");
  expect(out).toContain("/api/v1/public/auth/send-email-code");
  const set = await shell.run("sallyport routes --json --set backend.timeout_ms=700", {
    env: { SALLYPORT_ROUTES: '[{"message_type":"a.b","get":"/api/v1/user/a"}]' },
  });
  expect(JSON.parse(set.out).routes).toEqual([
    expect.objectContaining({ message_type: "a.b", timeout_ms: 700, source: "variable SALLYPORT_ROUTES" }),
  ]);
});

test("--json has the same values for programs", async () => {
  write(BACKEND + ROUTES + PUBLIC);
  const { backend, routes, public_routes } = JSON.parse((await shell.run("sallyport routes --config gateway.toml --json")).out);
  expect(backend).toEqual(["http://127.0.0.1:9000/base"]);
  expect(routes[1]).toEqual({
    message_type: "rooms.message.send",
    method: "POST",
    path: "/v2/rooms/{room_id}/messages:send",
    backend_path: "/base/v2/rooms/{room_id}/messages:send",
    payload: "path: room_id; body: message; query: rest; answer in: sent",
    timeout_ms: 3000,
    request_bytes_max: 2000,
    response_bytes_max: 3000,
    options: { keep_answer_ms: 1000, retries_max: 0 },
    source: "gateway.toml:10",
  });
  expect(public_routes).toHaveLength(1);
});

test("a wrong configuration gives the lines of config check, no table, and exit code 2", async () => {
  write(`${BACKEND}${ROUTES.replace("/v2/rooms/{room.id}", "/v3/rooms//{room.id}")}[log]\nlevel = "loud"\n`);
  const env = { SALLYPORT_PUSH_URL: "http://127.0.0.1:9", SALLYPORT_KEYS_CURRENT: Buffer.alloc(32, 1).toString("base64") };
  const checked = await shell.run("sallyport config check gateway.toml", { env });
  const printed = await shell.run("sallyport routes gateway.toml", { env });
  expect(printed).toEqual({ code: 2, out: "", err: checked.out });
  expect(printed.err).toContain("routes[0].get (gateway.toml:7): rooms.get: segment 3 of the path is empty");
});

test.each([
  ["sallyport routes a.toml --config b.toml", "the configuration file is given twice"],
  ["sallyport routes a.toml b.toml", "only one FILE may stand beside the options"],
  ["sallyport routes --probe", "--probe is not an option"],
])("%s is a usage error", async (line, problem) => {
  const { code, out, err } = await shell.run(line);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toContain(`sallyport: ${problem}`);
});
