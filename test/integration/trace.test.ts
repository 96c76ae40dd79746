import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect as connectHttp2 } from "node:http2";
import { create, toJsonString } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { ExecuteCommandRequestSchema, Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { LOGIN_PATHS } from "../support/login-paths.ts";
import { RawHttp1 } from "../support/raw-http.ts";
import { VARIANTS } from "../support/variants.ts";
import { openWorld, type World } from "../support/world.ts";

/** The trace context of a client, as the backend receives it. */

const PROFILE = "/api/v1/user/profile";
const SEND_CODE = "/api/v1/public/auth/send-email-code";
const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const EMPTY = new Uint8Array(0);

interface TraceContext {
  readonly traceId: string | undefined;
  readonly tracestate: string | null;
}

const worlds = new Map<string, World>();
const received: TraceContext[] = [];
beforeAll(async () => {
  worlds.set("own ports", await openWorld());
  worlds.set("one port", await openWorld({ "edge.grpc": "same-port" }));
  for (const { faults } of worlds.values()) {
    for (const path of [PROFILE, SEND_CODE]) {
      faults.on(path, ({ headers }) => {
        received.push({ traceId: headers.get("traceparent")?.split("-")[1], tracestate: headers.get("tracestate") });
        return Response.json({ challenge_id: "c" });
      });
    }
  }
});
afterAll(async () => {
  for (const world of worlds.values()) await world.close();
});

/** The trace contexts that the backend received since the last call of this function. */
function takeReceived(): TraceContext[] {
  return received.splice(0);
}

describe.each(["own ports", "one port"])("%s", (name) => {
  const world = () => worlds.get(name) ?? expect.unreachable();
  const login = async () => {
    world().faults.off(SEND_CODE);
    return world().login();
  };

  test.each(VARIANTS)("a command over $name forwards traceparent and tracestate", async (variant) => {
    const device = await login();
    const client = createClient(Gateway, world().transport(variant));
    const send = async (headers: Record<string, string>) =>
      client.executeCommand(await device.signer.sign("user.profile.get", EMPTY), { headers });
    await send({ traceparent: TRACEPARENT, tracestate: "rojo=1, congo=t61rcWkgMzE" });
    expect(takeReceived()).toEqual([{ traceId: TRACE, tracestate: "rojo=1,congo=t61rcWkgMzE" }]);
    await send({ traceparent: TRACEPARENT, tracestate: "not a tracestate" });
    expect(takeReceived()).toEqual([{ traceId: TRACE, tracestate: null }]);
    await send({ tracestate: "rojo=1" });
    expect(takeReceived()).toEqual([{ traceId: expect.not.stringContaining(TRACE), tracestate: null }]);
  });

  test("several tracestate fields are joined, over HTTP/1.1 and HTTP/2", async () => {
    const device = await login();
    const body = async () => {
      const signed = await device.signer.sign("user.profile.get", EMPTY);
      return toJsonString(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, signed));
    };
    const { edgeUrl, grpcUrl } = world().gateway;
    const text = await body();
    const connection = await RawHttp1.open(edgeUrl);
    const fields = `traceparent: ${TRACEPARENT}\r\ntracestate: a=1,b=2\r\nTraceState: c=3\r\n`;
    const framing = `content-type: application/json\r\ncontent-length: ${text.length}\r\n`;
    connection.send(`POST ${EXECUTE} HTTP/1.1\r\nhost: 127.0.0.1\r\n${fields}${framing}\r\n${text}`);
    expect((await connection.answer())?.status).toBe(200);
    connection.close();
    for (const url of new Set([edgeUrl, grpcUrl])) {
      const fields = { traceparent: TRACEPARENT, tracestate: ["a=1,b=2", "c=3"], "content-type": "application/json" };
      const connection = connectHttp2(url);
      const stream = connection.request({ ":method": "POST", ":path": EXECUTE, ...fields });
      stream.end(await body());
      await new Promise((resolve) => stream.resume().once("close", resolve));
      connection.destroy();
    }
    const joined = { traceId: TRACE, tracestate: "a=1,b=2,c=3" };
    expect(takeReceived()).toEqual([joined, ...[...new Set([edgeUrl, grpcUrl])].map(() => joined)]);
  });

  test.each(LOGIN_PATHS)("a login call of $rows forwards them, over HTTP/1.1 and HTTP/2", async ({ SEND }) => {
    world().faults.on(SEND, ({ headers }) => {
      received.push({ traceId: headers.get("traceparent")?.split("-")[1], tracestate: headers.get("tracestate") });
      return Response.json({ challenge_id: "c" });
    });
    const headers = { "content-type": "application/json", traceparent: TRACEPARENT, tracestate: "rojo=1" };
    const init = { method: "POST", headers, body: '{"email":"a@example.com"}' };
    for (const protocol of ["http1.1", "http2"] as const) {
      const url = world().gateway.edgeUrl + SEND;
      if (protocol === "http1.1") expect((await fetch(url, init)).status).toBe(200);
      else {
        const connection = connectHttp2(world().gateway.edgeUrl);
        const stream = connection.request({ ":method": "POST", ":path": SEND, ...headers });
        stream.end(init.body);
        await new Promise((resolve) => stream.resume().once("close", resolve));
        connection.destroy();
      }
      expect(takeReceived()).toEqual([{ traceId: TRACE, tracestate: "rojo=1" }]);
    }
  });
});

test("a CORS preflight allows traceparent and tracestate", async () => {
  const world = await openWorld({ "cors.origins": ["https://app.example"] });
  const headers = { origin: "https://app.example", "access-control-request-method": "POST" };
  const preflight = await fetch(world.gateway.edgeUrl + EXECUTE, { method: "OPTIONS", headers });
  expect(preflight.headers.get("access-control-allow-headers")?.split(", ")).toEqual(
    expect.arrayContaining(["traceparent", "tracestate"]),
  );
  await world.close();
});
