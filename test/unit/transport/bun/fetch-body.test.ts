import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import type { BodySink, BodyWriter } from "../../../../src/rpc/http.ts";
import { type ConnectionTimeouts, IDLE_TIMEOUT_SECONDS } from "../../../../src/transport/bun/fetch-body.ts";
import { toResponse } from "../../../../src/transport/bun/fetch-host.ts";
import { until } from "../../../support/until.ts";

const chunk = (bytes: number) => new Uint8Array(bytes).fill(97);

/** A stream served over a real connection: its body, and all that its writer and the server's time-outs are told. */
class Served implements BodyWriter, ConnectionTimeouts {
  body: BodySink | undefined;
  readonly told: string[] = [];
  readonly timeouts: number[] = [];

  bodyOpened(body: BodySink): void {
    this.body = body;
    this.told.push("opened");
  }
  bodyDrained(): void {
    this.told.push("drained");
  }
  bodyClosed(): void {
    this.told.push("closed");
  }
  timeout(request: Request, seconds: number): void {
    this.timeouts.push(seconds);
    if (shortTimeoutSeconds !== undefined) server.timeout(request, shortTimeoutSeconds);
  }

  get sink(): BodySink {
    return this.body ?? expect.unreachable();
  }
}

let server: Bun.Server<undefined>;
let served: Served[] = [];
/** What the server's own time-out is set to, rather than not at all. */
let shortTimeoutSeconds: number | undefined;
/** What its writer promises. */
let idleMsMax: number | undefined;
/** What the answer waits for before it begins. */
let gate = Promise.resolve();
beforeAll(() => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const stream = new Served();
      served.push(stream);
      await gate;
      return toResponse({ kind: "stream", status: 200, headers: {}, writer: stream, idleMsMax }, request, stream);
    },
  });
});
afterAll(() => server.stop(true));

async function open(signal?: AbortSignal): Promise<{ response: Promise<Response>; stream: Served }> {
  served = [];
  const response = fetch(server.url, { signal });
  response.catch(() => {});
  await until(() => served[0]?.body !== undefined, "the stream to start");
  return { response, stream: served[0] ?? expect.unreachable() };
}

describe("a stream's body on Bun.serve", () => {
  test("reaches the client in order, and ends", async () => {
    const { response, stream } = await open();
    stream.sink.write(chunk(3));
    stream.sink.write(new Uint8Array([98]));
    stream.sink.close();
    stream.sink.write(chunk(1));
    expect(await (await response).text()).toBe("aaab");
    expect(stream.told).toEqual(["opened", "closed"]);
  });

  test("reaches the client as it is written, not only at its end", async () => {
    const { response, stream } = await open();
    stream.sink.write(chunk(1));
    const reader = (await response).body?.getReader();
    expect((await reader?.read())?.value?.byteLength).toBe(1);
    for (let n = 2; n <= 4; n++) {
      stream.sink.write(chunk(n));
      expect((await reader?.read())?.value?.byteLength).toBe(n);
    }
    stream.sink.close();
  });

  test("holds its connection open while it lives, and no longer: a client that never reads is cut in the end", async () => {
    const { response, stream } = await open();
    stream.sink.write(chunk(1));
    expect(stream.timeouts).toEqual([0]);
    stream.sink.close();
    expect(stream.timeouts).toEqual([0, IDLE_TIMEOUT_SECONDS]);
    await (await response).text();
    expect(stream.timeouts).toEqual([0, IDLE_TIMEOUT_SECONDS]);
  });

  test("that is never quiet for long is left to a time-out that every write puts off", async () => {
    idleMsMax = 100_000;
    const { response, stream } = await open();
    stream.sink.write(chunk(1));
    stream.sink.close();
    await (await response).text();
    expect(stream.timeouts).toEqual([240]);
    idleMsMax = 130_000;
    const { stream: quieter } = await open();
    expect(quieter.timeouts).toEqual([0]);
    quieter.sink.close();
    idleMsMax = undefined;
  });

  test("keeps its connection as long as it is written to, whatever the time-out; a quiet one is cut", async () => {
    idleMsMax = 100_000;
    shortTimeoutSeconds = 8;
    const { stream: lively, response: livelyResponse } = await open();
    const { stream: quiet, response: quietResponse } = await open();
    idleMsMax = undefined;
    shortTimeoutSeconds = undefined;
    lively.sink.write(chunk(1));
    quiet.sink.write(chunk(1));
    // Held, or a collection would cancel them.
    const responses = await Promise.all([livelyResponse, quietResponse]);
    const writing = setInterval(() => lively.sink.write(chunk(1)), 500);
    await until(() => quiet.told.includes("closed"), "the quiet one to be cut", 15_000);
    clearInterval(writing);
    expect(lively.told).toEqual(["opened"]);
    lively.sink.close();
    expect(responses).toHaveLength(2);
  });

  test("tells of a client that left, once", async () => {
    const leave = new AbortController();
    const { response, stream } = await open(leave.signal);
    stream.sink.write(chunk(1));
    await response;
    leave.abort();
    await until(() => stream.told.includes("closed"), "the close to be noticed");
    stream.sink.write(chunk(1));
    stream.sink.close();
    expect(stream.told).toEqual(["opened", "closed"]);
    expect(stream.sink.queuedBytes).toBe(0);
  });

  test("tells of a client that left before the answer began, and never opens", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    served = [];
    const leave = new AbortController();
    const response = fetch(server.url, { signal: leave.signal });
    response.catch(() => {});
    await until(() => served.length === 1, "the request to come");
    leave.abort();
    await expect(response).rejects.toThrow();
    // The server hears of it by itself, with its next turn or a later one.
    await Bun.sleep(50);
    resolve();
    gate = Promise.resolve();
    await until(() => (served[0]?.told.length ?? 0) > 0, "the close to be noticed");
    expect(served[0]?.told).toEqual(["closed"]);
  });

  test("says how much waits for a client that does not read, and when it has been taken", async () => {
    served = [];
    const socket = connect(server.port ?? 0, "127.0.0.1");
    await new Promise<void>((resolve) => socket.once("connect", resolve));
    socket.write("GET / HTTP/1.1\r\nHost: edge.example\r\n\r\n");
    await until(() => served[0]?.body !== undefined, "the stream to start");
    const stream = served[0] ?? expect.unreachable();
    socket.pause();
    let written = 0;
    for (; !stream.sink.needsDrain; written += 65_536) {
      stream.sink.write(chunk(65_536));
      await new Promise(setImmediate);
    }
    expect(stream.sink.queuedBytes).toBe(65_536);
    stream.sink.write(chunk(10));
    expect(stream.sink.queuedBytes).toBe(65_546);
    // What the system's own buffers of a connection take, and no more.
    expect(written).toBeLessThan(32 * 1024 * 1024);
    expect(stream.told).toEqual(["opened"]);
    let read = 0;
    socket.on("data", (bytes) => {
      read += bytes.length;
    });
    socket.resume();
    await until(() => stream.told.includes("drained"), "the drain");
    expect(stream.sink.queuedBytes).toBe(0);
    await until(() => read > written + 10, "every byte to arrive");
    socket.destroy();
    await until(() => stream.told.includes("closed"), "the close to be noticed");
    expect(stream.told).toEqual(["opened", "drained", "closed"]);
  });
});
