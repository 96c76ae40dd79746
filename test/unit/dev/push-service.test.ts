import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { connect, constants } from "node:http2";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import type { DevBackend, DevBackendOptions } from "../../../src/dev/backend.ts";
import { PUSH_BATCH_EVENTS_MAX } from "../../../src/dev/limits.ts";
import { Push } from "../../../src/gen/sallyport/v1/push_pb.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { call, PushReader, payloadOf, push, start } from "./harness.ts";

const LARGE = "x".repeat(100_000);

describe("the push feed", () => {
  let backend: DevBackend;
  let readers: PushReader[];
  beforeEach(async () => {
    readers = [];
    backend = await start();
  });
  afterEach(async () => {
    await Promise.all(readers.map((reader) => reader.close()));
    await backend.stop();
  });

  const restart = async (options: Partial<DevBackendOptions>) => {
    await backend.stop();
    backend = await start(options);
  };
  const subscribe = (cursor?: string) => {
    const reader = new PushReader(backend.pushUrl, cursor);
    readers.push(reader);
    return reader;
  };
  const cursorWhenStreamIsFree = async (): Promise<string> => {
    const retryIfFull = (error: unknown) =>
      codeOf(error) === "ResourceExhausted" ? cursorWhenStreamIsFree() : Promise.reject(error);
    return subscribe().cursor().catch(retryIfFull);
  };
  const pushMany = async (from: number, to: number) => {
    for (let n = from; n < to; n++) await push(backend, "user", n);
  };
  const readMany = async (reader: PushReader, count: number) => {
    const payloads = [];
    for (let n = 0; n < count; n++) payloads.push(payloadOf(await reader.next()));
    return payloads;
  };

  test("sends a gateway without a cursor the newest cursor, then only new events", async () => {
    await push(backend, "user", "before");
    const reader = subscribe();
    const cursor = await reader.cursor();
    const eventId = await push(backend, "user", "after");
    const event = await reader.next();
    expect(payloadOf(event)).toBe("after");
    expect(event.kind.value).toMatchObject({ userId: "user", deviceSessionId: "", eventType: "test.event", eventId });
    expect(BigInt(event.cursor)).toBe(BigInt(cursor) + 1n);
  });

  test("resumes after the cursor without loss or duplicates", async () => {
    const reader = subscribe();
    await reader.cursor();
    await pushMany(0, 50);
    await readMany(reader, 9);
    const last = await reader.next();
    await reader.close();
    await pushMany(50, 60);
    const again = subscribe(last.cursor);
    expect(await again.cursor()).toBe(last.cursor);
    await pushMany(60, 70);
    expect(await readMany(again, 60)).toEqual(range(10, 70));
  });

  test("sends events pushed during the catch-up once and in order", async () => {
    const start = await subscribe().cursor();
    await pushMany(0, 100);
    const reader = subscribe(start);
    const [payloads] = await Promise.all([reader.cursor().then(() => readMany(reader, 200)), pushMany(100, 200)]);
    expect(payloads).toEqual(range(0, 200));
  });

  test("sends every event to every gateway", async () => {
    const many = Array.from({ length: 50 }, () => subscribe());
    await Promise.all(many.map((reader) => reader.cursor()));
    await pushMany(0, 20);
    const all = await Promise.all(many.map((reader) => readMany(reader, 20)));
    expect(all).toEqual(many.map(() => range(0, 20)));
  });

  test("resumes without loss after stopPush and startPush", async () => {
    const reader = subscribe();
    await reader.cursor();
    await pushMany(0, 3);
    await readMany(reader, 2);
    const { cursor } = await reader.next();
    const ended = reader.end();
    await backend.stopPush();
    expect(await ended).toBeInstanceOf(ConnectError);
    await pushMany(3, 6);
    expect(await subscribe(cursor).end()).toBeInstanceOf(ConnectError);
    await backend.startPush();
    const again = subscribe(cursor);
    await again.cursor();
    expect(await readMany(again, 3)).toEqual(range(3, 6));
  });

  test.each(["99999999999999999", "9999999999999999", "0", "-1", "1.5", "abc", " 1"])(
    "ends with OUT_OF_RANGE for the unknown cursor %p",
    async (cursor) => {
      expect(codeOf(await subscribe(cursor).end())).toBe("OutOfRange");
    },
  );

  test("ends with OUT_OF_RANGE for a cursor before the events kept by pushEventsMax; the oldest kept cursor works", async () => {
    await restart({ limits: { pushEventsMax: 5 } });
    const cursor = BigInt(await subscribe().cursor());
    await pushMany(0, 8);
    expect(codeOf(await subscribe(String(cursor + 2n)).end())).toBe("OutOfRange");
    const reader = subscribe(String(cursor + 3n));
    await reader.cursor();
    expect(await readMany(reader, 5)).toEqual(range(3, 8));
  });

  test("ends with OUT_OF_RANGE for a cursor before the events kept by pushBytesMax", async () => {
    await restart({ limits: { pushBytesMax: 10_000 } });
    const cursor = await subscribe().cursor();
    for (let n = 0; n < 20; n++) await push(backend, "user", "x".repeat(1000));
    expect(codeOf(await subscribe(cursor).end())).toBe("OutOfRange");
    const reader = subscribe(String(BigInt(cursor) + 15n));
    await reader.cursor();
    expect(await readMany(reader, 5)).toHaveLength(5);
  });

  test("ends with OUT_OF_RANGE for a cursor of a log that was lost in a restart", async () => {
    const clock = new ManualClock();
    await restart({ clock });
    await pushMany(0, 3);
    const cursor = await subscribe().cursor();
    clock.advance(1000);
    await restart({ clock });
    await pushMany(0, 10);
    expect(codeOf(await subscribe(cursor).end())).toBe("OutOfRange");
  });

  test("sends keepalives with the current cursor while there are no events", async () => {
    await restart({ limits: { keepaliveMs: 5 } });
    const reader = subscribe();
    const cursor = await reader.cursor();
    expect(await reader.cursor()).toBe(cursor);
    await push(backend, "user", 1);
    let event = await reader.next();
    while (event.kind.case === undefined) event = await reader.next();
    expect(await reader.cursor()).toBe(event.cursor);
  });

  test("bounds the streams; a cancelled stream no longer counts", async () => {
    await restart({ limits: { pushStreamsMax: 1 } });
    const first = subscribe();
    await first.cursor();
    expect(codeOf(await subscribe().end())).toBe("ResourceExhausted");
    await first.close();
    expect(await cursorWhenStreamIsFree()).toMatch(/^\d+$/);
  });

  test("a stream that is reset during a blocked write no longer counts", async () => {
    await restart({ limits: { pushStreamsMax: 1 } });
    const { paused, reset, close } = rawSubscription(backend.pushUrl);
    await paused;
    for (let n = 0; n < 10; n++) await push(backend, "user", LARGE);
    reset();
    expect(await cursorWhenStreamIsFree()).toMatch(/^\d+$/);
    close();
  });

  test("sends every event to a gateway that pauses reading", async () => {
    const { paused, readOn, close } = rawSubscription(backend.pushUrl);
    await paused;
    for (let n = 0; n < 100; n++) await push(backend, "user", LARGE);
    await readOn((bytes) => bytes > 100 * LARGE.length);
    close();
  });

  test("queues one batch for a gateway that does not read, and ends with OUT_OF_RANGE after the log has dropped the rest", async () => {
    await restart({ limits: { pushBytesMax: 10 * LARGE.length } });
    const { paused, readOn, status, close } = rawSubscription(backend.pushUrl);
    await paused;
    for (let n = 0; n < 100; n++) await push(backend, "user", LARGE);
    const bytes = await readOn(() => false);
    expect(await status).toBe("11");
    expect(bytes).toBeLessThan(PUSH_BATCH_EVENTS_MAX * 2 * LARGE.length);
    close();
  });

  test.each([
    ["Connect", createConnectTransport],
    ["gRPC-Web", createGrpcWebTransport],
  ])("serves gateways that use %s", async (_, createTransport) => {
    const abort = new AbortController();
    const client = createClient(Push, createTransport({ baseUrl: backend.pushUrl, httpVersion: "2" }));
    const events = client.subscribePush({}, { signal: abort.signal })[Symbol.asyncIterator]();
    expect((await events.next()).value?.cursor).toMatch(/^\d+$/);
    await push(backend, "user", "x");
    expect((await events.next()).value?.kind.case).toBe("clientEvent");
    abort.abort();
    await events.next().catch(() => {});
  });

  test("ends its streams when the backend stops", async () => {
    const reader = subscribe();
    await reader.cursor();
    const ended = reader.end();
    await backend.stop();
    expect(await ended).toBeInstanceOf(ConnectError);
  });

  test("survives connections that do not speak HTTP/2", async () => {
    const { port } = new URL(backend.pushUrl);
    for (const garbage of [
      "GET / HTTP/1.1\r\n\r\n",
      "\xff".repeat(100),
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff",
    ]) {
      await sendGarbage(Number(port), garbage);
    }
    expect(await subscribe().cursor()).toMatch(/^\d+$/);
    expect((await call(backend, "GET", "/dev/outbox")).status).toBe(200);
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof ConnectError ? Code[error.code] : undefined;
}

/** A subscription on plain node:http2. It reads the first keepalive, then pauses until `readOn`. */
function rawSubscription(pushUrl: string) {
  const connection = connect(pushUrl);
  const stream = connection.request({
    ":method": "POST",
    ":path": "/sallyport.v1.Push/SubscribePush",
    "content-type": "application/grpc",
    te: "trailers",
  });
  for (const emitter of [connection, stream]) emitter.on("error", () => {});
  stream.end(Buffer.alloc(5));
  let bytes = 0;
  const paused = new Promise<void>((resolve) => {
    stream.once("data", () => {
      stream.pause();
      resolve();
    });
  });
  /** Reads until `enough` or the end of the stream. Resolves to the number of bytes. */
  const readOn = (enough: (bytes: number) => boolean) =>
    new Promise<number>((resolve) => {
      stream.on("data", (chunk: Buffer) => {
        bytes += chunk.byteLength;
        if (enough(bytes)) resolve(bytes);
      });
      stream.once("end", () => resolve(bytes));
      stream.resume();
    });
  const status = new Promise<unknown>((resolve) => stream.once("trailers", (trailers) => resolve(trailers["grpc-status"])));
  return { paused, readOn, status, reset: () => stream.close(constants.NGHTTP2_CANCEL), close: () => connection.destroy() };
}

function sendGarbage(port: number, garbage: string): Promise<void> {
  return new Promise((resolve, reject) => {
    Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => void socket.write(Buffer.from(garbage, "latin1")),
        data: (socket) => void socket.end(),
        close: () => resolve(),
        error: () => resolve(),
      },
    }).catch(reject);
  });
}
