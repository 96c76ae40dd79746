import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import type { BodySink, BodyWriter } from "../../../../src/rpc/http.ts";
import { type ConnectionTimeouts, IDLE_TIMEOUT_SECONDS } from "../../../../src/transport/bun/fetch-body.ts";
import { toResponse } from "../../../../src/transport/bun/fetch-host.ts";
import { until } from "../../../support/until.ts";

const chunk = (bytes: number) => new Uint8Array(bytes).fill(97);

/** A stream served over a real connection. Records the calls of its writer and the timeouts that are set. */
class Served implements BodyWriter, ConnectionTimeouts {
  readonly signal: AbortSignal;
  body: BodySink | undefined;
  readonly calls: string[] = [];
  readonly timeouts: number[] = [];

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  bodyOpened(body: BodySink): void {
    this.body = body;
    this.calls.push("opened");
  }
  bodyDrained(): void {
    this.calls.push("drained");
  }
  bodyClosed(): void {
    this.calls.push("closed");
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
/** If set, replaces each timeout that is set on the server. */
let shortTimeoutSeconds: number | undefined;
/** `idleMsMax` of the replies. */
let idleMsMax: number | undefined;
/** Delays the response until it resolves. */
let gate = Promise.resolve();
beforeAll(() => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const stream = new Served(request.signal);
      served.push(stream);
      await gate;
      return toResponse({ kind: "stream", status: 200, headers: {}, writer: stream, idleMsMax }, request, stream);
    },
  });
});
afterAll(() => server.stop(true));

async function open(signal: AbortSignal | null = null): Promise<{ response: Promise<Response>; stream: Served }> {
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
    expect(stream.calls).toEqual(["opened", "closed"]);
  });

  test("reaches the client with each write, before its end", async () => {
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

  test("has no idle timeout while it is open, and the normal one after its end", async () => {
    const { response, stream } = await open();
    stream.sink.write(chunk(1));
    expect(stream.timeouts).toEqual([0]);
    stream.sink.close();
    expect(stream.timeouts).toEqual([0, IDLE_TIMEOUT_SECONDS]);
    await (await response).text();
    expect(stream.timeouts).toEqual([0, IDLE_TIMEOUT_SECONDS]);
  });

  test("with frequent writes has a long idle timeout", async () => {
    idleMsMax = 100_000;
    const { response, stream } = await open();
    stream.sink.write(chunk(1));
    stream.sink.close();
    await (await response).text();
    expect(stream.timeouts).toEqual([240]);
    idleMsMax = 130_000;
    const { stream: idler } = await open();
    expect(idler.timeouts).toEqual([0]);
    idler.sink.close();
    idleMsMax = undefined;
  });

  test("stays open while it is written to; the idle timeout closes an idle one", async () => {
    idleMsMax = 100_000;
    shortTimeoutSeconds = 8;
    const { stream: active, response: activeResponse } = await open();
    const { stream: idle, response: idleResponse } = await open();
    idleMsMax = undefined;
    shortTimeoutSeconds = undefined;
    active.sink.write(chunk(1));
    idle.sink.write(chunk(1));
    // Kept referenced: garbage collection would cancel them.
    const responses = await Promise.all([activeResponse, idleResponse]);
    const writing = setInterval(() => active.sink.write(chunk(1)), 500);
    await until(() => idle.calls.includes("closed"), "the idle stream to be closed");
    clearInterval(writing);
    expect(active.calls).toEqual(["opened"]);
    active.sink.close();
    expect(responses).toHaveLength(2);
  });

  test("is closed once if the client disconnects", async () => {
    const leave = new AbortController();
    const { response, stream } = await open(leave.signal);
    stream.sink.write(chunk(1));
    await response;
    leave.abort();
    await until(() => stream.calls.includes("closed"), "the close to be noticed");
    stream.sink.write(chunk(1));
    stream.sink.close();
    expect(stream.calls).toEqual(["opened", "closed"]);
    expect(stream.sink.queuedBytes).toBe(0);
  });

  test("is closed without being opened if the client disconnects before the response starts", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    served = [];
    const leave = new AbortController();
    const response = fetch(server.url, { signal: leave.signal });
    response.catch(() => {});
    await until(() => served.length === 1, "the request to come");
    leave.abort();
    await expect(response).rejects.toThrow();
    await until(() => served[0]?.signal.aborted === true, "the server to see the disconnect");
    resolve();
    gate = Promise.resolve();
    await until(() => (served[0]?.calls.length ?? 0) > 0, "the close to be noticed");
    expect(served[0]?.calls).toEqual(["closed"]);
  });

  test("reports the bytes queued for a client that does not read, and when they are sent", async () => {
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
    // The kernel's socket buffers hold less than this.
    expect(written).toBeLessThan(32 * 1024 * 1024);
    expect(stream.calls).toEqual(["opened"]);
    let read = 0;
    socket.on("data", (bytes) => {
      read += bytes.length;
    });
    socket.resume();
    await until(() => stream.calls.includes("drained"), "the drain");
    expect(stream.sink.queuedBytes).toBe(0);
    await until(() => read > written + 10, "every byte to arrive");
    socket.destroy();
    await until(() => stream.calls.includes("closed"), "the close to be noticed");
    expect(stream.calls).toEqual(["opened", "drained", "closed"]);
  });
});
