import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { connect, constants } from "node:http2";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import type { DevBackend, DevBackendOptions } from "../../../src/dev/backend.ts";
import { PUSH_BATCH_EVENTS_MAX } from "../../../src/dev/limits.ts";
import { Push } from "../../../src/gen/sallyport/v1/push_pb.ts";
import { call, FakeClock, PushReader, payloadOf, push, start } from "./harness.ts";

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
  const cursorOnceThereIsRoom = async (): Promise<string> => {
    const full = (error: unknown) => (codeOf(error) === "ResourceExhausted" ? cursorOnceThereIsRoom() : Promise.reject(error));
    return subscribe().cursor().catch(full);
  };
  const pushMany = async (from: number, to: number) => {
    for (let n = from; n < to; n++) await push(backend, "user", n);
  };
  const readMany = async (reader: PushReader, count: number) => {
    const payloads = [];
    for (let n = 0; n < count; n++) payloads.push(payloadOf(await reader.next()));
    return payloads;
  };

  test("a gateway without a cursor hears at once where it stands, then what happens from now on", async () => {
    await push(backend, "user", "before");
    const reader = subscribe();
    const cursor = await reader.cursor();
    const eventId = await push(backend, "user", "after");
    const event = await reader.next();
    expect(payloadOf(event)).toBe("after");
    expect(event.kind.value).toMatchObject({ userId: "user", deviceSessionId: "", eventType: "test.event", eventId });
    expect(BigInt(event.cursor)).toBe(BigInt(cursor) + 1n);
  });

  test("a gateway that returns with its cursor misses nothing and gets nothing twice", async () => {
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

  test("events pushed while a gateway is still catching up come once, in order", async () => {
    const start = await subscribe().cursor();
    await pushMany(0, 100);
    const reader = subscribe(start);
    const [payloads] = await Promise.all([reader.cursor().then(() => readMany(reader, 200)), pushMany(100, 200)]);
    expect(payloads).toEqual(range(0, 200));
  });

  test("every gateway gets everything", async () => {
    const many = Array.from({ length: 50 }, () => subscribe());
    await Promise.all(many.map((reader) => reader.cursor()));
    await pushMany(0, 20);
    const all = await Promise.all(many.map((reader) => readMany(reader, 20)));
    expect(all).toEqual(many.map(() => range(0, 20)));
  });

  test("a feed that is killed and comes back on its port resumes without loss", async () => {
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
    "a cursor that the log does not know (%p) ends with OUT_OF_RANGE",
    async (cursor) => {
      expect(codeOf(await subscribe(cursor).end())).toBe("OutOfRange");
    },
  );

  test("a cursor whose events were pruned by number ends with OUT_OF_RANGE; the oldest kept one still serves", async () => {
    await restart({ limits: { pushEventsMax: 5 } });
    const cursor = BigInt(await subscribe().cursor());
    await pushMany(0, 8);
    expect(codeOf(await subscribe(String(cursor + 2n)).end())).toBe("OutOfRange");
    const reader = subscribe(String(cursor + 3n));
    await reader.cursor();
    expect(await readMany(reader, 5)).toEqual(range(3, 8));
  });

  test("a cursor whose events were pruned by size ends with OUT_OF_RANGE", async () => {
    await restart({ limits: { pushBytesMax: 10_000 } });
    const cursor = await subscribe().cursor();
    for (let n = 0; n < 20; n++) await push(backend, "user", "x".repeat(1000));
    expect(codeOf(await subscribe(cursor).end())).toBe("OutOfRange");
    const reader = subscribe(String(BigInt(cursor) + 15n));
    await reader.cursor();
    expect(await readMany(reader, 5)).toHaveLength(5);
  });

  test("a cursor from before a restart without the database is never taken for a place in the new log", async () => {
    const clock = new FakeClock();
    await restart({ clock });
    await pushMany(0, 3);
    const cursor = await subscribe().cursor();
    clock.advance(1000);
    await restart({ clock });
    await pushMany(0, 10);
    expect(codeOf(await subscribe(cursor).end())).toBe("OutOfRange");
  });

  test("a quiet feed says that it is alive, and where it stands", async () => {
    await restart({ limits: { keepaliveMs: 5 } });
    const reader = subscribe();
    const cursor = await reader.cursor();
    expect(await reader.cursor()).toBe(cursor);
    await push(backend, "user", 1);
    let event = await reader.next();
    while (event.kind.case === undefined) event = await reader.next();
    expect(await reader.cursor()).toBe(event.cursor);
  });

  test("streams are bounded, and one that was cancelled makes room", async () => {
    await restart({ limits: { pushStreamsMax: 1 } });
    const first = subscribe();
    await first.cursor();
    expect(codeOf(await subscribe().end())).toBe("ResourceExhausted");
    await first.close();
    expect(await cursorOnceThereIsRoom()).toMatch(/^\d+$/);
  });

  test("a stream that was reset while it waited for its reader makes room too", async () => {
    await restart({ limits: { pushStreamsMax: 1 } });
    const { paused, reset, close } = rawSubscription(backend.pushUrl);
    await paused;
    for (let n = 0; n < 10; n++) await push(backend, "user", LARGE);
    reset();
    expect(await cursorOnceThereIsRoom()).toMatch(/^\d+$/);
    close();
  });

  test("a gateway that stops reading for a while gets everything when it reads on", async () => {
    const { paused, readOn, close } = rawSubscription(backend.pushUrl);
    await paused;
    for (let n = 0; n < 100; n++) await push(backend, "user", LARGE);
    await readOn((bytes) => bytes > 100 * LARGE.length);
    close();
  });

  test("for a gateway that stops reading nothing is queued: what the log lets go meanwhile ends its stream", async () => {
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
  ])("a gateway that is configured for %s is served too", async (_, createTransport) => {
    const abort = new AbortController();
    const client = createClient(Push, createTransport({ baseUrl: backend.pushUrl, httpVersion: "2" }));
    const events = client.subscribePush({}, { signal: abort.signal })[Symbol.asyncIterator]();
    expect((await events.next()).value?.cursor).toMatch(/^\d+$/);
    await push(backend, "user", "x");
    expect((await events.next()).value?.kind.case).toBe("clientEvent");
    abort.abort();
    await events.next().catch(() => {});
  });

  test("stopping the backend ends its streams", async () => {
    const reader = subscribe();
    await reader.cursor();
    const ended = reader.end();
    await backend.stop();
    expect(await ended).toBeInstanceOf(ConnectError);
  });

  test("what is no HTTP/2 does not bring the feed down", async () => {
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

/** A subscription below any client library. It reads the first keepalive and pauses until it is told to read on. */
function rawSubscription(pushUrl: string) {
  const session = connect(pushUrl);
  const stream = session.request({
    ":method": "POST",
    ":path": "/sallyport.v1.Push/SubscribePush",
    "content-type": "application/grpc",
    te: "trailers",
  });
  for (const emitter of [session, stream]) emitter.on("error", () => {});
  stream.end(Buffer.alloc(5));
  let bytes = 0;
  const paused = new Promise<void>((resolve) => {
    stream.once("data", () => {
      stream.pause();
      resolve();
    });
  });
  /** Reads until enough has come or the stream ends; how many bytes came. */
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
  return { paused, readOn, status, reset: () => stream.close(constants.NGHTTP2_CANCEL), close: () => session.destroy() };
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
