import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { PublicAuth } from "../../../../src/backend/rest/public-auth.ts";
import { RestBackend } from "../../../../src/backend/rest/rest-backend.ts";
import { RouteTable } from "../../../../src/backend/rest/route-table.ts";
import { BackendSessionSource } from "../../../../src/backend/rest/session-lookup.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { PathPattern } from "../../../../src/core/path-pattern.ts";
import { Refusal } from "../../../../src/core/refusal.ts";
import { selfSigned } from "../../../support/certificates.ts";
import { NO_CLIENT_HEADERS } from "../../../support/no-client-headers.ts";
import { PLAIN_CALL } from "../../../support/public-rows.ts";
import { upstreamAt } from "../../../support/upstreams.ts";
import { rawServer } from "../support/raw-server.ts";
import { RecordingMetrics } from "../support/recorders.ts";

/** An answer without a length ends when its connection closes. A truncated one must not be signed and sent to a client. */

const never = new AbortController().signal;
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const trace = () => ({ traceparent, tracestate: undefined });
const metrics = new RecordingMetrics();
const path = new PathPattern("/api/v1/internal/sessions/{device_session_id}");
const common = { timeoutMs: 5000, responseBytesMax: 65_536, trace, metrics, clock: systemClock };

type End = (socket: Socket, text: string) => void;
/** A reset discards data that the reader has not read yet, so the reset is delayed. */
const byReset: End = (socket, text) => socket.write(text, () => setTimeout(() => socket.resetAndDestroy(), 50));
const byFin: End = (socket, text) => socket.end(text);

/** Executes a command against a server that sends `text` and closes by `end`. Returns the result code and payload, or the refusal. */
async function outcomeOf(text: string, end: End): Promise<string> {
  await using server = await rawServer((socket) => end(socket, text));
  const routes = new RouteTable([{ message_type: "profile.get", method: "GET", path: "/api/v1/user/profile" }]);
  const backend = new RestBackend({ ...common, upstreams: upstreamAt(server.url), routes });
  const command = { messageType: "profile.get", requestId: "r1", idempotencyKey: "", deviceSessionId: "s1", userId: "u1" };
  const client = {
    peerAddress: "192.0.2.1",
    ...NO_CLIENT_HEADERS,
  };
  const payload = { payloadBytes: new Uint8Array(0) };
  const execute = backend.route("profile.get")?.execute ?? expect.unreachable();
  return await outcome(
    execute({ ...command, ...client, ...payload }, never, () => {}).then((reply) => {
      return `${reply.resultCode} ${Buffer.from(reply.payloadBytes)}`;
    }),
  );
}

function outcome(answered: Promise<string>): Promise<string> {
  return answered.catch((thrown) => (thrown instanceof Refusal ? thrown.reason : String(thrown)));
}

const JSON_TYPE = "content-type: application/json\r\n";
const closing = (body: string, status = "200 OK") => `HTTP/1.1 ${status}\r\n${JSON_TYPE}connection: close\r\n\r\n${body}`;
const http10 = (body: string) => `HTTP/1.0 200 OK\r\n${JSON_TYPE}\r\n${body}`;
const sized = (body: string, bytes: number) => `HTTP/1.1 200 OK\r\n${JSON_TYPE}content-length: ${bytes}\r\n\r\n${body}`;
const chunked = (body: string) => `HTTP/1.1 200 OK\r\n${JSON_TYPE}transfer-encoding: chunked\r\n\r\n${body}`;

const TRUNCATED: [string, string][] = [
  ["an object", closing('{"a":1')],
  ["an array", closing("[1,2")],
  ["a string", closing('"abc')],
  ["a literal", closing("tru")],
  ["a number, which may have more digits", closing("12")],
  ["an empty body", closing("")],
  ["an object over HTTP/1.0", http10('{"a":1')],
  ["a business error", closing('{"code":"no', "404 Not Found")],
  ["a business error without a body", closing("", "404 Not Found")],
  ["a two-byte character", closing('{"a":"\xc3')],
  ["a body with Content-Length", sized('{"a":1}', 10)],
  ["a body with Content-Length, before its first byte", sized("", 10)],
  ["a chunk", chunked('9\r\n{"a":1')],
  ["a chunked body between two chunks", chunked('7\r\n{"a":1}\r\n')],
];

describe.each([
  ["a reset", byReset],
  ["a close", byFin],
] as const)("an answer truncated by %s", (_, end) => {
  test.each(TRUNCATED)("in %s is BACKEND_UNAVAILABLE", async (_name, text) => {
    expect(await outcomeOf(text, end)).toBe("BACKEND_UNAVAILABLE");
  });

  test("that is HTML is BACKEND_BAD_RESPONSE", async () => {
    const html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<p>";
    expect(await outcomeOf(html, end)).toBe("BACKEND_BAD_RESPONSE");
  });

  test("fails a login call and a session look-up", async () => {
    const headers = {
      peerAddress: "192.0.2.1",
      ...NO_CLIENT_HEADERS,
    };
    await using login = await rawServer((socket) => end(socket, closing('{"challenge_id":"c')));
    const auth = new PublicAuth({ ...common, upstreams: upstreamAt(login.url) });
    const forwarded = auth.forward({ ...PLAIN_CALL, target: "/api/v1/public/auth/send-email-code", body: {} }, headers, never);
    expect(await outcome(forwarded.then(({ status }) => String(status)))).toBe("BACKEND_UNAVAILABLE");
    for (const status of ["200 OK", "404 Not Found"]) {
      await using sessions = await rawServer((socket) => end(socket, closing('{"device_session_id":"s1', status)));
      const source = new BackendSessionSource({
        ...common,
        upstreams: upstreamAt(sessions.url),
        path,
        toKey: () => ({ verify: () => false }),
      });
      expect(await outcome(source.lookUp("s1").then((session) => `${session?.status}`))).toBe("SESSION_LOOKUP_UNAVAILABLE");
    }
  });
});

const WHOLE: [string, string, string][] = [
  ["an object", closing('{"a":1}'), 'ok {"a":1}'],
  ["an array and a line break", closing("[12]\n"), "ok [12]\n"],
  ["a literal", closing("true"), "ok true"],
  ["an object over HTTP/1.0", http10('{"a":1}'), 'ok {"a":1}'],
  ["a business error", closing('{"code":"no"}', "404 Not Found"), 'no {"code":"no"}'],
  ["no content", "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n", "ok "],
  ["a number with Content-Length", sized("12", 2), "ok 12"],
  ["a number in chunks", chunked("2\r\n12\r\n0\r\n\r\n"), "ok 12"],
];
test.each(WHOLE)("a complete answer is accepted: %s", async (_name, text, expected) => {
  expect(await outcomeOf(text, byFin)).toBe(expected);
});

/** Calls the server once and prints the body or the kind of failure. Trusts the certificates in NODE_EXTRA_CA_CERTS. */
const CALL = `
const { upstreamAt } = await import(process.argv[1]);
const pool = upstreamAt(process.argv[2]).pool("commands", 1, 1024);
const call = { method: "GET", target: "/", headers: {}, timeoutMs: 5000 };
const textOf = (answer) => Buffer.from(answer.body).toString();
console.log(await pool.call(call, textOf).catch((failure) => failure.kind));
process.exit(0);
`;

test.each([
  ['{"a":1', "unavailable"],
  ['{"a":1}', '{"a":1}'],
])("over TLS that ends without close_notify, %s is %s", async (body, expected) => {
  const { certificateFile, certificate, key } = await selfSigned("cut.test");
  const connections = new Set<Socket>();
  const cut = () => {
    for (const each of connections) each.destroy();
  };
  const server = createServer({ cert: certificate, key }, (socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.write(closing(body), () => setTimeout(cut, 50)));
  });
  server.on("connection", (connection: Socket) => connections.add(connection));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const module = join(import.meta.dir, "../../../support/upstreams.ts");
  const child = Bun.spawn([process.execPath, "-e", CALL, module, `https://127.0.0.1:${port}`], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: certificateFile },
    stdout: "pipe",
  });
  expect((await new Response(child.stdout).text()).trim()).toBe(expected);
  cut();
  server.close();
});

describe("a 200 with Content-Type JSON and an invalid body", () => {
  test.each([
    ["text", "not json"],
    ["a truncated object", '{"a":1'],
    ["two values", "{} {}"],
    ["a byte order mark", "\ufeff{}"],
    ["not UTF-8", "\xff\xfe"],
    ["a comment", "{} // fine"],
    ["NaN", "NaN"],
  ])("(%s) is refused for commands and logins", async (_name, body) => {
    const bytes = Buffer.from(body, body.startsWith("\xff") ? "latin1" : "utf8");
    const head = `HTTP/1.1 200 OK\r\n${JSON_TYPE}content-length: ${bytes.byteLength}\r\n\r\n`;
    const whole: End = (socket) => socket.end(Buffer.concat([Buffer.from(head), bytes]));
    expect(await outcomeOf("", whole)).toBe("BACKEND_BAD_RESPONSE");
    await using server = await rawServer((socket) => whole(socket, ""));
    const context = {
      peerAddress: "192.0.2.1",
      ...NO_CLIENT_HEADERS,
    };
    const forwarded = new PublicAuth({ ...common, upstreams: upstreamAt(server.url) }).forward(
      { ...PLAIN_CALL, target: "/x", body: {} },
      context,
      never,
    );
    expect(await outcome(forwarded.then(({ status }) => String(status)))).toBe("BACKEND_BAD_RESPONSE");
  });
});
