import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { codeFor, logIn } from "../../support/cli/log-in.ts";
import { Shell } from "../../support/cli/shell.ts";
import { Terminal } from "../../support/cli/terminal.ts";
import { LOGIN_PATHS } from "../../support/login-paths.ts";
import { openWorld, type World } from "../../support/world.ts";

/** What a script learns from each kind of failure: the exit code, one line that says what to do, and no data. */

const [{ CONFIRM }] = LOGIN_PATHS;

let world: World;
let shell: Shell;
const opened: { stop(): unknown }[] = [];

beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
beforeEach(() => {
  shell = new Shell();
});
afterEach(async () => {
  shell.close();
  for (const server of opened.splice(0)) await server.stop();
});

const login = (of: World = world, email = "ada@example.com") =>
  logIn(shell, { edgeUrl: of.gateway.edgeUrl, backendUrl: of.backend.restUrl }, email);

/** The exit code of a command that failed. Checks that it printed no data, and one line of text. */
async function failureOf(line: string): Promise<{ code: number; text: string }> {
  const { code, out, err } = await shell.run(line);
  expect(out).toBe("");
  expect(err).toMatch(/^sallyport: [^\n]+\n$/);
  return { code, text: err };
}

/** A TCP server that does this with each connection. */
async function tcpServer(onConnection: Parameters<Server["on"]>[1]): Promise<string> {
  const server = createServer(onConnection);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.push({ stop: () => server.close() });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

function httpServer(answer: (request: Request) => Response | Promise<Response>): string {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  opened.push({ stop: () => server.stop(true) });
  return `http://127.0.0.1:${server.port}`;
}

describe("3: no gateway answers", () => {
  test("a server that closes each connection; the command may have been executed", async () => {
    await login();
    const url = await tcpServer((socket) => socket.once("data", () => socket.destroy()));
    const { code, text } = await failureOf(`sallyport call user.profile.get --url ${url}`);
    expect(code).toBe(3);
    expect(text).toContain("the server closed the connection without an answer");
    expect(text).toContain("may have been executed");
  });

  test("a server of another protocol", async () => {
    await login();
    const url = await tcpServer((socket) => {
      socket.on("error", () => {});
      socket.end("-ERR unknown command\r\n");
    });
    for (const command of ["call user.profile.get", "whoami", "login --email ada@example.com"])
      expect((await failureOf(`sallyport ${command} --url ${url}`)).code).toBe(3);
  });

  test.each([
    ["an HTML page", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
    ["a login page that redirects", () => Response.redirect("https://portal.example/login")],
    ["a proxy that demands a password", () => new Response("", { status: 407 })],
    ["JSON of another kind", () => Response.json({ hello: "world" })],
    ["no bytes at all", () => new Response("")],
  ])("a web server that answers with %s", async (_, answer) => {
    await login();
    const url = httpServer(answer);
    for (const command of ["call user.profile.get", "whoami", "login --email ada@example.com"])
      expect(await failureOf(`sallyport ${command} --url ${url}`)).toMatchObject({ code: 3 });
  });

  test("https at a port of http; an unknown host name", async () => {
    await login();
    const https = world.gateway.edgeUrl.replace("http:", "https:");
    expect((await failureOf(`sallyport call user.profile.get --url ${https}`)).code).toBe(3);
    const { code, text } = await failureOf("sallyport call user.profile.get --url http://gateway.invalid");
    expect(code).toBe(3);
    expect(text).not.toContain("may have been executed");
  });
});

describe("4: refused", () => {
  test("a session that the backend has revoked, and one that it does not know", async () => {
    const sessionId = await login();
    await world.revoke({ device_session_id: sessionId });
    expect(await failureOf("sallyport call user.profile.get")).toEqual({
      code: 4,
      text: "sallyport: SESSION_REVOKED: the device session has been revoked; log in again; run: sallyport login\n",
    });
    await login(world, "unknown@example.com");
    const other = await openWorld();
    opened.push({ stop: () => other.close() });
    const { code, text } = await failureOf(`sallyport call user.profile.get --url ${other.gateway.edgeUrl}`);
    expect(code).toBe(4);
    expect(text).toContain("SESSION_NOT_FOUND");
  });

  test("a key that is not the session's", async () => {
    await login();
    await shell.run(
      `f=.config/sallyport/profiles/default/login.json; a=$(sed -n 's/.*device_session_id": "//p' $f); echo "$a" > id`,
    );
    await login(world, "bob@example.com");
    await shell.run(
      `f=.config/sallyport/profiles/default/login.json; sed -i "s/.*device_session_id.*/  \\"device_session_id\\": \\"$(cat id)/" $f`,
    );
    const { code, text } = await failureOf("sallyport call user.profile.get");
    expect(code).toBe(4);
    expect(text).toContain("SIGNATURE_INVALID");
    expect(text).toEndWith("run: sallyport login\n");
  });
});

test.each([
  ["ES256", []],
  ["EdDSA", ["--key-algorithm ES256"]],
] as const)("4: a gateway that accepts only %s: each login names the option that helps", async (algorithm, options) => {
  const strict = await openWorld({ "device_keys.algorithms": [algorithm] });
  opened.push({ stop: () => strict.close() });
  const advice = new RegExp(`: client_key_algorithm must be ${algorithm}.*; log in with --key-algorithm ${algorithm}\n$`);
  const url = `--url ${strict.gateway.edgeUrl}`;
  const byPath = `--path ${CONFIRM} --fields '{"challenge_id":"abc","code":"123456"}'`;
  for (const login of [byPath, "--challenge abc --code 123456"]) {
    const { code, text } = await failureOf(["sallyport login", login, url, ...options].join(" "));
    expect(code).toBe(4);
    expect(text).toMatch(advice);
  }
  const terminal = new Terminal(shell, ["sh", "-c", `sallyport login --email ada@example.com ${[url, ...options].join(" ")}`]);
  await terminal.expect("Code: ");
  terminal.type("123456\r");
  expect(await terminal.end()).toBe(4);
  expect(terminal.text).not.toContain("try again");
  const given = await codeFor(strict.backend.restUrl, "ada@example.com");
  expect((await shell.run(`sallyport login --code ${given} --key-algorithm ${algorithm}`)).code).toBe(0);
});

describe("a login at another port than the edge's", () => {
  test.each([
    ["admin", () => world.gateway.adminUrl],
    ["backend", () => world.backend.restUrl],
  ])("%s: the server is no gateway, and nothing is stored", async (_, url) => {
    for (const step of ["--email wrong-port@example.com", "--challenge abc --code 123456"]) {
      const { code, text } = await failureOf(`sallyport login ${step} --url ${url()}`);
      expect(code).toBe(3);
      expect(text).toContain("does not answer as a Sallyport gateway (no key set: ");
      expect(text).toEndWith("; check --url\n");
    }
    expect((await shell.run("find .config -type f")).out).toBe("");
    const outbox = await fetch(`${world.backend.restUrl}/dev/outbox`);
    expect(await outbox.text()).not.toContain("wrong-port@");
  });

  test("push feed: the server speaks HTTP/2 only", async () => {
    const { code, text } = await failureOf(`sallyport login --email ada@example.com --url ${world.backend.pushUrl}`);
    expect(code).toBe(3);
    expect(text).toContain("(the server does not speak HTTP/1.1 on this port)");
  });

  test("https at a port of http: the message names the URL to try", async () => {
    const https = world.gateway.edgeUrl.replace("http:", "https:");
    const { code, text } = await failureOf(`sallyport login --email ada@example.com --url ${https}`);
    expect(code).toBe(3);
    expect(text).toContain(`(the TLS handshake failed; if the port has no TLS, use ${world.gateway.edgeUrl};`);
  });

  test("a key set without keys", async () => {
    const url = httpServer(() => Response.json({ keys: [] }));
    const { code, text } = await failureOf(`sallyport login --email ada@example.com --url ${url}`);
    expect(code).toBe(3);
    expect(text).toContain("its key set has no keys");
  });
});

test("5: rate limited, with the time to wait", async () => {
  const strict = await openWorld({ "budgets.session.rate": 0.001, "budgets.session.burst": 1 });
  opened.push({ stop: () => strict.close() });
  await login(strict);
  expect((await shell.run("sallyport call user.profile.get")).code).toBe(0);
  const { code, text } = await failureOf("sallyport call user.profile.get");
  expect(code).toBe(5);
  expect(text).toMatch(/RATE_LIMITED: too many requests; scope session; try again in \d+ s\n$/);
});

const UNKNOWN_OUTCOME =
  "the command may have been executed; --idempotency-key makes a retry safe on routes with keep_answer_ms, or if the backend honours Idempotency-Key\n";

test("5: too many codes for one address; the message names the budget", async () => {
  const strict = await openWorld({ "budgets.send_code.rate": 1 / 60, "budgets.send_code.burst": 3 });
  opened.push({ stop: () => strict.close() });
  const command = `sallyport login --email full@example.com --url ${strict.gateway.edgeUrl}`;
  for (let mail = 0; mail < 3; mail++) expect((await shell.run(command)).code).toBe(0);
  const { code, text } = await failureOf(command);
  expect(code).toBe(5);
  expect(text).toMatch(/too many requests: no token left in the budget send_code; try again in \d+ s\n$/);
});

test("6: the backend is down, or its answer is lost, so the command may have been executed; 9: the backend is slow", async () => {
  await login();
  world.faults.on("/api/v1/user/test/down", () => new Response("", { status: 503 }));
  const down = await failureOf("sallyport call test.down");
  expect(down.code).toBe(6);
  expect(down.text).toContain("BACKEND_UNAVAILABLE");
  expect(down.text).toEndWith(UNKNOWN_OUTCOME);
  world.faults.on("/api/v1/user/test/down", () => new Response("executed"));
  const garbled = await failureOf("sallyport call test.down");
  expect(garbled.code).toBe(6);
  expect(garbled.text).toContain("BACKEND_BAD_RESPONSE");
  expect(garbled.text).toEndWith(UNKNOWN_OUTCOME);
  world.faults.on("/api/v1/user/test/slow", () => Bun.sleep(1000).then(() => Response.json({})));
  const { code, text } = await failureOf("sallyport call test.slow '{}'");
  expect(code).toBe(9);
  expect(text).toContain("BACKEND_TIMEOUT");
  expect(text).toContain("may have been executed");
});

test("8: an answer that was changed on its way is not printed", async () => {
  await login();
  const url = httpServer(async (request) => {
    const { pathname } = new URL(request.url);
    const body = request.method === "GET" ? null : await request.bytes();
    const answer = await fetch(`${world.gateway.edgeUrl}${pathname}`, {
      method: request.method,
      headers: request.headers,
      body,
    });
    const bytes = Buffer.from(await answer.bytes());
    const at = bytes.indexOf("ada@example.com");
    if (at >= 0) bytes.write("eve", at);
    return new Response(bytes, { headers: { "content-type": answer.headers.get("content-type") ?? "" } });
  });
  const { code, text } = await failureOf(`sallyport call user.profile.get --url ${url}`);
  expect(code).toBe(8);
  expect(text).toContain("its payload does not match payload_hash");
  expect(text).toContain("may have been executed");
});

test("9: --timeout ends the wait for a server that never answers", async () => {
  await login();
  const url = httpServer(() => new Promise<Response>(() => {}));
  const { code, text } = await failureOf(`sallyport call user.profile.get --timeout 100ms --url ${url}`);
  expect(code).toBe(9);
  expect(text).toEndWith(UNKNOWN_OUTCOME);
});

test("130: Ctrl-C ends a call that waits, and says that the command may have been executed", async () => {
  await login();
  const arrived = Promise.withResolvers<void>();
  const url = httpServer(() => {
    arrived.resolve();
    return new Promise<Response>(() => {});
  });
  const child = Bun.spawn(["sallyport", "call", "user.profile.get", "--url", url], {
    env: shell.env,
    stderr: "pipe",
    stdout: "pipe",
  });
  await arrived.promise;
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(await new Response(child.stderr).text()).toBe("sallyport: interrupted; the command may have been executed\n");
});
