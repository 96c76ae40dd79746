import { afterAll, beforeAll, expect, test } from "bun:test";
import { logIn } from "../../support/cli/log-in.ts";
import { Shell } from "../../support/cli/shell.ts";
import { Terminal } from "../../support/cli/terminal.ts";
import { openWorld, type World } from "../../support/world.ts";

/** What reaches standard output: complete, unchanged, and harmless for a terminal. */

let world: World;
let shell: Shell;
beforeAll(async () => {
  world = await openWorld();
  shell = new Shell();
  await logIn(shell, { edgeUrl: world.gateway.edgeUrl, backendUrl: world.backend.restUrl }, "ada@example.com");
});
afterAll(async () => {
  shell.close();
  await world.close();
});

const JSON_HEADERS = { "content-type": "application/json" };

function backendAnswers(body: string, status = 200): void {
  world.faults.on("/api/v1/user/test/down", () => new Response(body, { status, headers: JSON_HEADERS }));
}

test("numbers keep all their digits, in a pipe and at a terminal", async () => {
  backendAnswers('{"id": 12345678901234567890, "price": 1.10}');
  expect((await shell.run("sallyport call test.down")).out).toBe('{"id": 12345678901234567890, "price": 1.10}\n');
  expect((await shell.run("sallyport call test.down --full")).out).toEndWith(
    '"payload":{"id":12345678901234567890,"price":1.10}}\n',
  );
  expect((await shell.run("sallyport call test.down --raw")).out).toBe('{"id": 12345678901234567890, "price": 1.10}');
  const terminal = new Terminal(shell, ["sallyport", "call", "test.down"], { env: { NO_COLOR: "1" } });
  expect(await terminal.end()).toBe(0);
  expect(terminal.text).toBe('{\r\n  "id": 12345678901234567890,\r\n  "price": 1.10\r\n}\r\n');
});

test("the payload is sent byte for byte", async () => {
  let received = "";
  world.faults.on("/api/v1/user/test/wait", async (request) => {
    received = await request.text();
    return Response.json({});
  });
  const payload = '{"id": 12345678901234567890,  "text": "\\u00e9é"}';
  expect((await shell.run("sallyport call test.wait -", { stdin: payload })).code).toBe(0);
  expect(received).toBe(payload);
});

test("an empty answer is null", async () => {
  world.faults.on("/api/v1/user/test/down", () => new Response(null, { status: 204 }));
  expect((await shell.run("sallyport call test.down")).out).toBe("null\n");
  expect((await shell.run("sallyport call test.down --raw")).out).toBe("");
});

test("a large answer is complete when a slow reader gets it through a pipe", async () => {
  const text = "x".repeat(900_000);
  backendAnswers(JSON.stringify({ text }));
  const { out } = await shell.run("sallyport call test.down | (sleep 0.3; wc -c)");
  expect(Number(out)).toBe(JSON.stringify({ text }).length + 1);
});

test("a reader that leaves ends the command without a message", async () => {
  backendAnswers(JSON.stringify({ text: "x".repeat(900_000) }));
  const { out, err } = await shell.run("sallyport call test.down | head -c 3; echo $PIPESTATUS");
  expect(out).toBe('{"t141\n');
  expect(err).toBe("");
});

test("a full disk is a failure", async () => {
  backendAnswers("{}");
  const { code, err } = await shell.run("sallyport call test.down > /dev/full");
  expect(code).toBe(1);
  expect(err).toMatch(/^sallyport: .*(ENOSPC|no space)/i);
});

test("texts of a server cannot control the terminal", async () => {
  const hostile = "\u009b31mred\u202e\u0085";
  backendAnswers(`{"code":"bad","message":"${hostile}\\u001b[2J\\u0007"}`, 422);
  const terminal = new Terminal(shell, ["sallyport", "call", "test.down"], { env: { NO_COLOR: "1" } });
  expect(await terminal.end()).toBe(7);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the test looks for control characters
  expect(terminal.text.replaceAll("\r\n", "")).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
  expect(terminal.text).toContain("\\u009b31mred\\u202e");
  const { err } = await shell.run("sallyport call test.down > /dev/null");
  expect(err).toBe("sallyport: bad: \\u009b31mred\\u202e\\u0085\\u001b[2J\\u0007 (business error)\n");
});

test("deeply nested JSON is printed at a terminal in bounded space", async () => {
  const depth = 2000;
  backendAnswers(`${"[".repeat(depth)}${"]".repeat(depth)}`);
  const terminal = new Terminal(shell, ["sallyport", "call", "test.down"], { env: { NO_COLOR: "1" } });
  await terminal.end();
  expect(terminal.text.length).toBeLessThan(depth * 400);
});

test("two profiles do not disturb each other, and the variable of the profile does not disturb the gateway", async () => {
  const { out } = await shell.run("SALLYPORT_PROFILE=nobody sallyport version");
  expect(out).toContain("sallyport");
  const served = await shell.run("SALLYPORT_PROFILE=bob sallyport serve");
  expect(served.err).not.toContain("SALLYPORT_PROFILE");
  expect((await shell.run("SALLYPORT_PROFILE=bob sallyport call user.profile.get")).code).toBe(4);
  expect((await shell.run("sallyport call user.profile.get")).code).toBe(0);
});
