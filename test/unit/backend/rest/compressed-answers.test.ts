import { describe, expect, test } from "bun:test";
import { PublicAuth } from "../../../../src/backend/rest/public-auth.ts";
import { RestBackend } from "../../../../src/backend/rest/rest-backend.ts";
import { type RouteEntry, RouteTable } from "../../../../src/backend/rest/route-table.ts";
import { BackendSessionSource } from "../../../../src/backend/rest/session-lookup.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { PathPattern } from "../../../../src/core/path-pattern.ts";
import { Refusal } from "../../../../src/core/refusal.ts";
import { NO_CLIENT_HEADERS } from "../../../support/no-client-headers.ts";
import { PLAIN_CALL } from "../../../support/public-rows.ts";
import { upstreamAt } from "../../../support/upstreams.ts";
import { rawServer } from "../support/raw-server.ts";
import { RecordingMetrics } from "../support/recorders.ts";

/** An answer of the backend that is compressed, by a content coding or by a transfer coding (RFC 9112 7), is never passed on. */

const never = new AbortController().signal;
const headers = {
  peerAddress: "192.0.2.1",
  ...NO_CLIENT_HEADERS,
};
const common = {
  timeoutMs: 5000,
  responseBytesMax: 65_536,
  trace: () => ({ traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: undefined }),
  metrics: new RecordingMetrics(),
  clock: systemClock,
};
const ROUTES: readonly RouteEntry[] = [
  { message_type: "a.json", method: "GET", path: "/api/v1/user/a" },
  { message_type: "a.raw", method: "GET", path: "/api/v1/user/a", response: "raw" },
];

/** Answers each request with these header lines. If the last coding is `chunked`, sends the body as one chunk. */
function answering(lines: readonly string[], body: string | Uint8Array, status = "200 OK") {
  const bytes = Buffer.from(body);
  const isChunked = /chunked$/i.test(lines.at(-1) ?? "");
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close\r\n${lines.join("\r\n")}\r\n\r\n`;
  const chunk = [Buffer.from(`${bytes.byteLength.toString(16)}\r\n`), bytes, Buffer.from("\r\n0\r\n\r\n")];
  const whole = Buffer.concat([Buffer.from(head), ...(isChunked ? chunk : [bytes])]);
  return rawServer((socket) => socket.end(whole));
}

async function command(url: string, messageType: string): Promise<string> {
  const backend = new RestBackend({ ...common, upstreams: upstreamAt(url), routes: new RouteTable(ROUTES) });
  const { execute } = backend.route(messageType) ?? expect.unreachable();
  const request = { messageType, requestId: "r1", idempotencyKey: "", deviceSessionId: "s1", userId: "u1" };
  const answer = await execute({ ...request, ...headers, payloadBytes: new Uint8Array(0) }, never, () => {});
  return `${answer.resultCode} ${Buffer.from(answer.payloadBytes)}`;
}

async function publicCall(url: string): Promise<string> {
  const auth = new PublicAuth({ ...common, upstreams: upstreamAt(url) });
  return `${(await auth.forward({ ...PLAIN_CALL, target: "/x", body: {} }, headers, never)).status}`;
}

async function lookUp(url: string): Promise<string> {
  const path = new PathPattern("/api/v1/internal/sessions/{device_session_id}");
  const toKey = () => ({ verify: () => false });
  return `${(await new BackendSessionSource({ ...common, upstreams: upstreamAt(url), path, toKey }).lookUp("s1"))?.status}`;
}

const CALLS: readonly (readonly [name: string, call: (url: string) => Promise<string>, reason: string])[] = [
  ["a route with a raw answer", (url) => command(url, "a.raw"), "BACKEND_BAD_RESPONSE"],
  ["a route with a JSON answer", (url) => command(url, "a.json"), "BACKEND_BAD_RESPONSE"],
  ["a public route", publicCall, "BACKEND_BAD_RESPONSE"],
  ["a session look-up", lookUp, "SESSION_LOOKUP_UNAVAILABLE"],
];

async function outcome(answered: Promise<string>): Promise<string> {
  return answered.catch((thrown) => (thrown instanceof Refusal ? `${thrown.reason}: ${causeOf(thrown)}` : String(thrown)));
}

function causeOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? causeOf(error.cause) : String(error);
}

const SESSION = JSON.stringify({ device_session_id: "s1", user_id: "u1", client_public_key: "AAAA", status: "active" });
const CODED: readonly (readonly [lines: readonly string[], coding: string])[] = [
  [["transfer-encoding: gzip, chunked"], "transfer-encoding gzip"],
  [["transfer-encoding: gzip", "transfer-encoding: chunked"], "transfer-encoding gzip"],
  [["Transfer-Encoding: X-GZIP , Chunked"], "transfer-encoding gzip"],
  [["transfer-encoding: deflate, chunked"], "transfer-encoding deflate"],
  [["transfer-encoding: identity, br, chunked"], "transfer-encoding br"],
  [["transfer-encoding: gzip"], "transfer-encoding gzip"],
  [["content-encoding: gzip", "transfer-encoding: chunked"], "content-encoding gzip"],
  [["content-encoding: identity", "content-encoding: zstd", "transfer-encoding: chunked"], "content-encoding zstd"],
];

describe.each(CALLS)("%s", (_name, call, reason) => {
  test.each(CODED)("refuses %p, whatever the body is", async (lines, coding) => {
    for (const body of [Bun.gzipSync(SESSION), SESSION]) {
      for (const status of ["200 OK", "404 Not Found"]) {
        await using server = await answering(lines, body, status);
        expect(await outcome(call(server.url))).toBe(`${reason}: the body is compressed: ${coding}`);
      }
    }
  });

  test("refuses `chunked` twice, or not as the last coding", async () => {
    for (const codings of ["chunked, chunked", "chunked, gzip", "chunked, identity"]) {
      await using server = await answering([`transfer-encoding: ${codings}`], SESSION);
      expect(await outcome(call(server.url))).toStartWith(reason);
    }
  });
});

test.each(["chunked", "Chunked", "identity, chunked"])(
  "a raw answer with transfer-encoding %p is accepted",
  async (codings) => {
    await using server = await answering([`transfer-encoding: ${codings}`], "abc");
    expect(await command(server.url, "a.raw")).toBe("ok abc");
  },
);
