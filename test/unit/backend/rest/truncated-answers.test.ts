import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { PublicAuth } from "../../../../src/backend/rest/public-auth.ts";
import { RestBackend } from "../../../../src/backend/rest/rest-backend.ts";
import { RouteTable } from "../../../../src/backend/rest/route-table.ts";
import { BackendSessionSource } from "../../../../src/backend/rest/session-lookup.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { Refusal } from "../../../../src/core/refusal.ts";
import { selfSigned } from "../../../support/certificates.ts";
import { rawServer } from "../support/raw-server.ts";
import { RecordingMetrics } from "../support/recorders.ts";

/** An answer without a length ends where its connection does: nobody is given a part of it under the gateway's signature. */

const never = new AbortController().signal;
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const trace = () => ({ traceparent, tracestate: undefined });
const metrics = new RecordingMetrics();
const common = { timeoutMs: 5000, responseBytesMax: 65_536, trace, metrics, clock: systemClock };

type End = (socket: Socket, text: string) => void;
/** What is read before the reset stays read; what is not is lost with it, so the reader is given a moment. */
const byReset: End = (socket, text) => socket.write(text, () => setTimeout(() => socket.resetAndDestroy(), 50));
const byFin: End = (socket, text) => socket.end(text);

/** One answer of a server, cut in one way: what the user of a command is told. */
async function outcomeOf(text: string, end: End): Promise<string> {
  await using server = await rawServer((socket) => end(socket, text));
  const routes = new RouteTable([{ message_type: "profile.get", method: "GET", path: "/api/v1/user/profile" }]);
  const backend = new RestBackend({ ...common, url: server.url, routes });
  const command = { messageType: "profile.get", requestId: "r1", deviceSessionId: "s1", userId: "u1" };
  const client = {
    peerAddress: "192.0.2.1",
    acceptLanguage: undefined,
    userAgent: undefined,
    traceparent: undefined,
    tracestate: undefined,
  };
  const payload = { payloadBytes: new Uint8Array(0) };
  const execute = backend.route("profile.get")?.execute ?? expect.unreachable();
  return await told(
    execute({ ...command, ...client, ...payload }, never, () => {}).then((reply) => {
      return `${reply.resultCode} ${Buffer.from(reply.payloadBytes)}`;
    }),
  );
}

function told(answered: Promise<string>): Promise<string> {
  return answered.catch((thrown) => (thrown instanceof Refusal ? thrown.reason : String(thrown)));
}

const JSON_TYPE = "content-type: application/json\r\n";
const closing = (body: string, status = "200 OK") => `HTTP/1.1 ${status}\r\n${JSON_TYPE}connection: close\r\n\r\n${body}`;
const http10 = (body: string) => `HTTP/1.0 200 OK\r\n${JSON_TYPE}\r\n${body}`;
const sized = (body: string, bytes: number) => `HTTP/1.1 200 OK\r\n${JSON_TYPE}content-length: ${bytes}\r\n\r\n${body}`;
const chunked = (body: string) => `HTTP/1.1 200 OK\r\n${JSON_TYPE}transfer-encoding: chunked\r\n\r\n${body}`;

const CUT: [string, string][] = [
  ["an object", closing('{"a":1')],
  ["an array", closing("[1,2")],
  ["a string", closing('"abc')],
  ["a literal", closing("tru")],
  ["a number, whose digits may go on", closing("12")],
  ["all but the head", closing("")],
  ["an object over HTTP/1.0", http10('{"a":1')],
  ["a business error", closing('{"code":"no', "404 Not Found")],
  ["a business error without its body", closing("", "404 Not Found")],
  ["a character of two bytes", closing('{"a":"\xc3')],
  ["a body of a declared length", sized('{"a":1}', 10)],
  ["a body of a declared length, before its first byte", sized("", 10)],
  ["a chunk", chunked('9\r\n{"a":1')],
  ["a chunked body between two chunks", chunked('7\r\n{"a":1}\r\n')],
];

describe.each([
  ["a reset", byReset],
  ["a close", byFin],
] as const)("an answer that %s ends", (_, end) => {
  test.each(CUT)("in %s is BACKEND_UNAVAILABLE", async (_name, text) => {
    expect(await outcomeOf(text, end)).toBe("BACKEND_UNAVAILABLE");
  });

  test("where it is neither JSON nor said to be is no answer of a backend", async () => {
    const html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<p>";
    expect(await outcomeOf(html, end)).toBe("BACKEND_BAD_RESPONSE");
  });

  test("in a login's answer, or a session's, is as if there were none", async () => {
    const headers = {
      peerAddress: "192.0.2.1",
      acceptLanguage: undefined,
      userAgent: undefined,
      traceparent: undefined,
      tracestate: undefined,
    };
    await using login = await rawServer((socket) => end(socket, closing('{"challenge_id":"c')));
    const auth = new PublicAuth({ ...common, url: login.url });
    const forwarded = auth.forward("/api/v1/public/auth/send-email-code", {}, headers, never);
    expect(await told(forwarded.then(({ status }) => String(status)))).toBe("BACKEND_UNAVAILABLE");
    for (const status of ["200 OK", "404 Not Found"]) {
      await using sessions = await rawServer((socket) => end(socket, closing('{"device_session_id":"s1', status)));
      const source = new BackendSessionSource({ ...common, url: sessions.url, toKey: () => ({ verify: () => false }) });
      expect(await told(source.lookUp("s1").then((session) => `${session?.status}`))).toBe("SESSION_LOOKUP_UNAVAILABLE");
    }
  });
});

const WHOLE: [string, string, string][] = [
  ["an object", closing('{"a":1}'), 'ok {"a":1}'],
  ["an array and a line's end", closing("[12]\n"), "ok [12]\n"],
  ["a literal", closing("true"), "ok true"],
  ["an object over HTTP/1.0", http10('{"a":1}'), 'ok {"a":1}'],
  ["a business error", closing('{"code":"no"}', "404 Not Found"), 'no {"code":"no"}'],
  ["no content", "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n", "ok "],
  ["a number of a declared length", sized("12", 2), "ok 12"],
  ["a number in chunks", chunked("2\r\n12\r\n0\r\n\r\n"), "ok 12"],
];
test.each(WHOLE)("an answer that its connection ends after %s is taken", async (_name, text, outcome) => {
  expect(await outcomeOf(text, byFin)).toBe(outcome);
});

/** Calls the server once and prints what came of it; trusts the authority of NODE_EXTRA_CA_CERTS. */
const CALL = `
const { HttpClient } = await import(process.argv[1]);
const client = new HttpClient({ url: process.argv[2], callsMax: 1, responseBytesMax: 1024 });
const call = { method: "GET", target: "/", headers: {}, timeoutMs: 5000 };
console.log(await client.call(call).then((answer) => Buffer.from(answer.body).toString(), (failure) => failure.kind));
process.exit(0);
`;

test.each([
  ['{"a":1', "unavailable"],
  ['{"a":1}', '{"a":1}'],
])("over TLS that ends without close_notify, %s is %s", async (body, outcome) => {
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
  const module = join(import.meta.dir, "../../../../src/backend/rest/http-client.ts");
  const child = Bun.spawn([process.execPath, "-e", CALL, module, `https://127.0.0.1:${port}`], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: certificateFile },
    stdout: "pipe",
  });
  expect((await new Response(child.stdout).text()).trim()).toBe(outcome);
  cut();
  server.close();
});

describe("a 200 that says JSON and is none", () => {
  test.each([
    ["text", "not json"],
    ["a part", '{"a":1'],
    ["two values", "{} {}"],
    ["a byte order mark", "\ufeff{}"],
    ["no UTF-8", "\xff\xfe"],
    ["a comment", "{} // fine"],
    ["NaN", "NaN"],
  ])("%s: is refused, as a command's answer and as a login's", async (_name, body) => {
    const bytes = Buffer.from(body, body.startsWith("\xff") ? "latin1" : "utf8");
    const head = `HTTP/1.1 200 OK\r\n${JSON_TYPE}content-length: ${bytes.byteLength}\r\n\r\n`;
    const whole: End = (socket) => socket.end(Buffer.concat([Buffer.from(head), bytes]));
    expect(await outcomeOf("", whole)).toBe("BACKEND_BAD_RESPONSE");
    await using server = await rawServer((socket) => whole(socket, ""));
    const context = {
      peerAddress: "192.0.2.1",
      acceptLanguage: undefined,
      userAgent: undefined,
      traceparent: undefined,
      tracestate: undefined,
    };
    const forwarded = new PublicAuth({ ...common, url: server.url }).forward("/x", {}, context, never);
    expect(await told(forwarded.then(({ status }) => String(status)))).toBe("BACKEND_BAD_RESPONSE");
  });
});
