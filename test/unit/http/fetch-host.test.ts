import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readBounded, toResponse } from "../../../src/http/fetch-host.ts";
import { type BodySink, BodyTooLarge } from "../../../src/rpc/http.ts";
import { until } from "../../support/until.ts";

const TIMEOUT_MS = 5000;
const BYTES_MAX = 1000;
const chunk = (bytes: number) => new Uint8Array(bytes).fill(97);

function streamOf(chunks: readonly Uint8Array[]): { body: ReadableStream<Uint8Array>; pulled: () => number } {
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const next = chunks[pulled++];
        if (next === undefined) controller.close();
        else controller.enqueue(next);
      },
    },
    { highWaterMark: 0 },
  );
  return { body, pulled: () => pulled };
}

const post = (body: BodyInit | null, headers: Record<string, string> = {}) =>
  new Request("http://edge.example/", { method: "POST", body, headers });

describe("bounded bodies", () => {
  test("an announced length over the bound is refused before a byte is read", async () => {
    const { body, pulled } = streamOf([chunk(10)]);
    const request = post(body, { "content-length": "1001" });
    expect(await readBounded(request, BYTES_MAX, TIMEOUT_MS).catch((error) => error)).toBeInstanceOf(BodyTooLarge);
    expect(pulled()).toBe(0);
  });

  test("without an announced length, reading stops at the bound and the rest is not kept", async () => {
    const { body, pulled } = streamOf(Array.from({ length: 100 }, () => chunk(400)));
    expect(await readBounded(post(body), BYTES_MAX, TIMEOUT_MS).catch((error) => error)).toBeInstanceOf(BodyTooLarge);
    expect(pulled()).toBeLessThan(6);
  });

  test("exactly the bound is taken, announced or not", async () => {
    expect((await readBounded(post(chunk(BYTES_MAX), { "content-length": "1000" }), BYTES_MAX, TIMEOUT_MS)).byteLength).toBe(
      BYTES_MAX,
    );
    const { body } = streamOf([chunk(400), chunk(600)]);
    expect(Buffer.from(await readBounded(post(body), BYTES_MAX, TIMEOUT_MS))).toEqual(Buffer.from(chunk(BYTES_MAX)));
  });

  test("no body is no bytes", async () => {
    expect((await readBounded(post(null), BYTES_MAX, TIMEOUT_MS)).byteLength).toBe(0);
  });
});

/** A stream served over a real connection, by the sink that it was given. */
interface Served {
  readonly sink: BodySink;
  readonly kept: boolean[];
}

let server: Bun.Server<undefined>;
let served: Served[] = [];
beforeAll(() => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const kept: boolean[] = [];
      const start = (sink: BodySink) => void served.push({ sink, kept });
      const reply = { kind: "stream", status: 200, headers: {}, start } as const;
      return toResponse(reply, request, (open) => kept.push(open));
    },
  });
});
afterAll(() => server.stop(true));

async function open(signal?: AbortSignal): Promise<{ response: Promise<Response>; stream: Served }> {
  served = [];
  const response = fetch(server.url, { signal });
  response.catch(() => {});
  await until(() => served.length === 1, "the stream to start");
  return { response, stream: served[0] ?? expect.unreachable() };
}

describe("a stream's body", () => {
  test("reaches the client in order and ends", async () => {
    const { response, stream } = await open();
    stream.sink.write(chunk(3));
    stream.sink.write(new Uint8Array([98]));
    stream.sink.close();
    expect(await (await response).text()).toBe("aaab");
  });

  test("holds its connection open while it lives, and no longer: a client that never reads is cut in the end", async () => {
    const { response, stream } = await open();
    stream.sink.write(chunk(1));
    expect(stream.kept).toEqual([true]);
    stream.sink.close();
    expect(stream.kept).toEqual([true, false]);
    await (await response).text();
    expect(stream.kept).toEqual([true, false]);
  });

  test("tells of a client that left, once, also to whoever asks late", async () => {
    const leave = new AbortController();
    const { response, stream } = await open(leave.signal);
    let closed = 0;
    stream.sink.onClose(() => closed++);
    stream.sink.write(chunk(1));
    await response;
    leave.abort();
    await until(() => closed > 0, "the close to be noticed");
    stream.sink.onClose(() => closed++);
    stream.sink.write(chunk(1));
    stream.sink.close();
    expect(closed).toBe(2);
    expect(stream.sink.queuedBytes).toBe(0);
    expect(stream.kept).toEqual([true, false]);
  });

  test("says how much waits, and when it has been taken", async () => {
    const { response, stream } = await open();
    stream.sink.write(chunk(1_000_000));
    stream.sink.write(chunk(9_000_000));
    expect(stream.sink.queuedBytes).toBeGreaterThan(1_000_000);
    let drained = 0;
    stream.sink.onDrain(() => drained++);
    const reader = (await response).body?.getReader();
    for (let read = 0; read < 10_000_000; ) read += (await reader?.read())?.value?.byteLength ?? 0;
    await until(() => drained === 1, "the drain");
    stream.sink.close();
  });

  test("of a request that was aborted before the answer began is closed at once", () => {
    let sink: BodySink | undefined;
    const start = (given: BodySink) => {
      sink = given;
    };
    const aborted = new Request("http://127.0.0.1/", { signal: AbortSignal.abort() });
    toResponse({ kind: "stream", status: 200, headers: {}, start }, aborted, () => {});
    let closed = 0;
    sink?.onClose(() => closed++);
    expect(closed).toBe(1);
  });
});
