import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { create, toJsonString } from "@bufbuild/protobuf";
import { ExecuteCommandRequestSchema } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { AllListeners } from "../../support/all-listeners.ts";
import { RawHttp1 } from "../../support/raw-http.ts";
import { subscribeRequest } from "../../support/subscribe-request.ts";
import { until } from "../../support/until.ts";
import type { Device, World } from "../../support/world.ts";

/** Pipelined requests on one HTTP/1.1 connection, split into any writes. A command whose answer is lost never runs. */

const WAIT = "/api/v1/user/test/wait";
const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";

const all = new AllListeners();
beforeAll(() => all.open(), 30_000);
afterAll(() => all.close());

const opened: RawHttp1[] = [];
afterEach(() => {
  for (const connection of opened.splice(0)) connection.close();
});

async function open(world: World): Promise<RawHttp1> {
  const connection = await RawHttp1.open(world.gateway.edgeUrl);
  opened.push(connection);
  return connection;
}

/** Counts the calls to the backend. Each waits for `answer` first. */
function countCalls(world: World, answer: () => Promise<unknown> | undefined = () => undefined): () => number {
  let calls = 0;
  world.faults.on(WAIT, async () => {
    calls++;
    await answer();
    return Response.json({ done: true });
  });
  return () => calls;
}

interface Signed {
  readonly requestId: string;
  readonly body: string;
}

async function sign(device: Device): Promise<Signed> {
  const request = await device.signer.sign("test.wait", new Uint8Array(0));
  const body = toJsonString(ExecuteCommandRequestSchema, create(ExecuteCommandRequestSchema, request));
  return { requestId: request.envelope?.requestId ?? "", body };
}

const HEAD = `POST ${EXECUTE} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/json\r\n`;
const withLength = ({ body }: Signed) => `${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`;

function inChunks({ body }: Signed, trailers = "", extension = ""): string {
  const at = Math.floor(body.length / 2);
  const chunk = (data: string) => `${data.length.toString(16)}${extension}\r\n${data}\r\n`;
  return `${HEAD}Transfer-Encoding: chunked\r\n\r\n${chunk(body.slice(0, at))}${chunk(body.slice(at))}0${extension}\r\n${trailers}\r\n`;
}

/** The ids of the answered requests, in the order of the answers. */
const answeredIds = ({ received }: RawHttp1) =>
  Array.from(received.toString("latin1").matchAll(/"requestId":"([^"]+)"/g), ([, id]) => id ?? "");
const statuses = ({ received }: RawHttp1) =>
  Array.from(received.toString("latin1").matchAll(/HTTP\/1\.1 (\d{3})/g), ([, status]) => Number(status));

const FORMS: readonly ((signed: Signed) => string)[] = [
  withLength,
  (signed) => inChunks(signed),
  (signed) => inChunks(signed, "X-Checksum: 1\r\n"),
  (signed) => inChunks(signed, "", ';name="value"'),
  (signed) => `\r\n${withLength(signed)}`,
  (signed) => inChunks(signed, `X-A: 1\r\nX-B: ${"b".repeat(4000)}\r\n`),
];

describe.each(["one port", "one port with TLS"])("%s", (name) => {
  test("pipelined commands are answered in order and executed once", async () => {
    const world = all.world(name);
    const calls = countCalls(world);
    const device = await world.login();
    const signed = await Promise.all(Array.from({ length: 8 }, () => sign(device)));
    const connection = await open(world);
    connection.send(signed.map(withLength).join(""));
    await until(() => answeredIds(connection).length === signed.length, "all answers");
    expect(answeredIds(connection)).toEqual(signed.map(({ requestId }) => requestId));
    expect(calls()).toBe(signed.length);
  });

  test("a command that arrives while another is executed is answered after it", async () => {
    const world = all.world(name);
    const gate = Promise.withResolvers<void>();
    const calls = countCalls(world, () => gate.promise);
    const device = await world.login();
    const signed = [await sign(device), await sign(device)] as const;
    const connection = await open(world);
    connection.send(withLength(signed[0]));
    await until(() => calls() === 1, "the first to reach the backend");
    connection.send(withLength(signed[1]));
    gate.resolve();
    await until(() => answeredIds(connection).length === 2, "both answers");
    expect(answeredIds(connection)).toEqual(signed.map(({ requestId }) => requestId));
    expect(calls()).toBe(2);
  });

  test("requests with any framing in any writes are answered once and in order", async () => {
    const world = all.world(name);
    const calls = countCalls(world);
    const device = await world.login();
    for (let round = 0; round < 12; round++) {
      const before = calls();
      const signed = await Promise.all(FORMS.map(() => sign(device)));
      const bytes = signed.map((each, at) => (FORMS[(at + round) % FORMS.length] ?? withLength)(each)).join("");
      const connection = await open(world);
      const size = round === 0 ? 7 : 1 + Math.floor(Math.random() * (round % 2 === 0 ? 60 : 3000));
      for (let at = 0; at < bytes.length; at += size) {
        connection.send(bytes.slice(at, at + size));
        await new Promise(setImmediate);
      }
      await until(() => answeredIds(connection).length === signed.length, `all answers, in writes of ${size}`);
      expect([size, answeredIds(connection)]).toEqual([size, signed.map(({ requestId }) => requestId)]);
      expect(calls() - before).toBe(signed.length);
      expect([connection.closed, new Set(statuses(connection))]).toEqual([false, new Set([200])]);
    }
  });

  test("a trailer section is never read as a request, and a malformed one is refused", async () => {
    const world = all.world(name);
    const calls = countCalls(world);
    const device = await world.login();
    const smuggled = withLength(await sign(device))
      .split("\r\n\r\n", 1)
      .join("")
      .concat("\r\n");
    const connection = await open(world);
    connection.send(inChunks(await sign(device), smuggled) + withLength(await sign(device)));
    await until(() => answeredIds(connection).length === 2, "both answers");
    expect([statuses(connection), calls()]).toEqual([[200, 200], 2]);
    for (const trailers of ["X-A: 1\n", `X: ${"x".repeat(20_000)}\r\n`, "X: y\r\n".repeat(4000)]) {
      const broken = await open(world);
      broken.send(inChunks(await sign(device), trailers));
      expect((await broken.answer())?.status).toBe(400);
      await until(() => broken.closed, "the end");
    }
    expect(calls()).toBe(2);
  });

  test("a request after one with Connection: close is not executed", async () => {
    const world = all.world(name);
    const calls = countCalls(world);
    const device = await world.login();
    const connection = await open(world);
    const last = withLength(await sign(device)).replace("\r\n\r\n", "\r\nConnection: Close\r\n\r\n");
    connection.send(last + withLength(await sign(device)));
    await until(() => connection.closed, "the end");
    expect([statuses(connection), calls()]).toEqual([[200], 1]);
  });

  test("answers without a body, to HEAD, after 100 Continue and streams are followed by the next answer", async () => {
    const world = all.world(name);
    const calls = countCalls(world);
    const device = await world.login();
    const connection = await open(world);
    const signed = await sign(device);
    const jwks = (method: string) => `${method} /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n`;
    const expecting = withLength(signed).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    const refused = `GET ${EXECUTE} HTTP/1.1\r\nHost: a\r\n\r\n`;
    connection.send([jwks("HEAD"), refused, jwks("GET"), expecting, jwks("GET")].join(""));
    await until(() => statuses(connection).length === 6, "all answers");
    expect(statuses(connection)).toEqual([200, 405, 200, 100, 200, 200]);
    expect(calls()).toBe(1);
    const after = await sign(device);
    connection.send(await subscribeRequest(device));
    await until(() => connection.received.includes("gateway.server_time"), "the stream to open");
    connection.send(withLength(after));
    await world.revoke({ device_session_id: device.deviceSessionId });
    await until(() => statuses(connection).length === 8, "the answer after the stream");
    expect(connection.received.includes("SESSION_REVOKED")).toBe(true);
    expect(calls()).toBe(1);
  });
});

describe.each(["edge", "edge with TLS"])("%s on its own port, where Bun reads HTTP/1.1", (name) => {
  test("pipelined commands are not answered (a documented limit; remove it from the documentation if this test fails)", async () => {
    const world = all.world(name);
    countCalls(world);
    const device = await world.login();
    const connection = await open(world);
    connection.send([await sign(device), await sign(device)].map(withLength).join(""));
    await until(() => connection.closed, "the end");
    expect(statuses(connection)).toEqual([]);
  });

  if (name === "edge")
    test("pipelined commands are not executed and leave no reservation: they can be sent again", async () => {
      const world = all.world(name);
      const calls = countCalls(world);
      const device = await world.login();
      for (let round = 0; round < 5; round++) {
        const signed = [await sign(device), await sign(device)] as const;
        const connection = await open(world);
        connection.send(signed.map(withLength).join(""));
        await until(() => connection.closed, "the end");
        expect([statuses(connection), calls()]).toEqual([[], round]);
        const again = await open(world);
        again.send(withLength(signed[0]));
        await until(() => answeredIds(again).length === 1, "the answer");
        expect([answeredIds(again), calls()]).toEqual([[signed[0].requestId], round + 1]);
      }
    });

  test("a command with a trailer section is refused (a documented limit; remove it from the documentation if this test fails)", async () => {
    const world = all.world(name);
    const calls = countCalls(world);
    const device = await world.login();
    const connection = await open(world);
    connection.send(inChunks(await sign(device), "X-Checksum: 1\r\n"));
    await until(() => connection.closed, "the end");
    expect([statuses(connection), calls()]).toEqual([[400], 0]);
  });

  test("chunks with and without extensions are accepted", async () => {
    const world = all.world(name);
    const calls = countCalls(world);
    const device = await world.login();
    const forms = FORMS.slice(0, 2).concat((signed) => inChunks(signed, "", ";x"));
    const connection = await open(world);
    for (const [at, form] of forms.entries()) {
      connection.send(form(await sign(device)));
      await until(() => answeredIds(connection).length === at + 1, "the answer");
    }
    expect(calls()).toBe(forms.length);
  });
});
