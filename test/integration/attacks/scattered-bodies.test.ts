import { describe, expect, test } from "bun:test";
import { connect as connectHttp2 } from "node:http2";
import type { Config } from "../../../src/config/schema.ts";
import { LOGIN_PATHS } from "../../support/login-paths.ts";
import { encodeFrame, FRAME, RawH2 } from "../../support/raw-h2.ts";
import { http1, RawHttp1 } from "../../support/raw-http.ts";
import { until } from "../../support/until.ts";
import { type World, withWorld } from "../../support/world.ts";

/** A body in thousands of one-byte pieces uses much CPU. It is refused, and counts as a failure of its client. */

const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const WATCH = "/grpc.health.v1.Health/Watch";
const PIECES = 20_000;
const ONE: Partial<Config> = { "budgets.failures.rate": 0.001, "budgets.failures.burst": 1 };
const ONE_PORT: Partial<Config> = { ...ONE, "edge.grpc": "same-port" };

/** Sends a body over HTTP/1.1 in one-byte chunks. Resolves to the status of the answer. */
async function inChunks(url: string, path: string, pieces: number): Promise<number | undefined> {
  const connection = await RawHttp1.open(url);
  const type = path === WATCH ? "application/connect+json" : "application/json";
  connection.send(`POST ${path} HTTP/1.1\r\nHost: a.example\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`);
  connection.send(`${"1\r\n \r\n".repeat(pieces)}0\r\n\r\n`);
  const answer = await connection.answer();
  connection.close();
  return answer?.status;
}

/** Sends a body over HTTP/2 in one-byte frames. Resolves to "answer", "reset <code>" or "closed". */
async function inFrames(url: string, path: string, pieces: number): Promise<string> {
  const client = new RawH2(url);
  const type = path === WATCH ? "application/connect+json" : "application/json";
  client.headers({ ":method": "POST", ":scheme": "http", ":path": path, ":authority": "a.example", "content-type": type });
  await client.write(Buffer.concat(new Array(pieces).fill(encodeFrame(FRAME.data, 0, 1, Buffer.from(" ")))));
  client.data(new Uint8Array(0), { end: true });
  const isEnd = ({ type }: { type: number }) => type === FRAME.headers || type === FRAME.reset || type === FRAME.goAway;
  await until(() => client.closed || client.frames.some(isEnd), "the stream to end");
  const [end] = client.frames.filter(isEnd);
  client.destroy();
  return end?.type === FRAME.reset ? `reset ${end.payload.readUInt32BE(0)}` : end?.type === FRAME.headers ? "answer" : "closed";
}

const isLimited = async ({ gateway }: World) => {
  const answer = await http1(gateway.edgeUrl, { path: EXECUTE, headers: { "content-type": "application/json" }, body: "{}" });
  return answer?.status === 429;
};

describe.each([
  ["two ports", ONE],
  ["one port", ONE_PORT],
] as const)("gRPC on %s", (_, config) => {
  test("a body in one-byte chunks over HTTP/1.1 is refused and counts as a failure", () =>
    withWorld(config, async (world) => {
      expect(await inChunks(world.gateway.edgeUrl, EXECUTE, PIECES)).toBe(400);
      expect(await isLimited(world)).toBe(true);
    }));

  test.each(LOGIN_PATHS)("so is one of a public call of $rows", ({ SEND }) =>
    withWorld(config, async (world) => {
      expect(await inChunks(world.gateway.edgeUrl, SEND, 4000)).toBe(400);
      expect(await inChunks(world.gateway.edgeUrl, SEND, 4000)).toBe(429);
    }),
  );

  test("a body in one-byte frames over HTTP/2 is refused and counts as a failure", () =>
    withWorld(config, async (world) => {
      for (const url of [world.gateway.edgeUrl, world.gateway.grpcUrl]) await inFrames(url, EXECUTE, PIECES);
      await until(() => world.logged().includes("too many pieces"), "the end of the call");
      expect(await isLimited(world)).toBe(true);
    }));

  test("on the gRPC listener the stream is reset with ENHANCE_YOUR_CALM", () =>
    withWorld(config, async (world) => {
      expect(await inFrames(world.gateway.grpcUrl, EXECUTE, PIECES)).toBe("reset 11");
      expect(await inFrames(world.gateway.grpcUrl, WATCH, PIECES)).toBe("reset 11");
    }));

  test("a body in a few hundred pieces, as from a slow network, is read", () =>
    withWorld(config, async (world) => {
      expect(await inChunks(world.gateway.edgeUrl, EXECUTE, 500)).toBe(400);
      const logged = () => world.logged().includes("too many pieces");
      expect([await isLimited(world), logged()]).toEqual([true, false]);
      expect(await inFrames(world.gateway.grpcUrl, EXECUTE, 500)).toBe("answer");
      expect(logged()).toBe(false);
    }));
});

test("on one port, the stream of a large request that is answered unread is closed", () =>
  withWorld(ONE_PORT, async ({ gateway }) => {
    const connection = connectHttp2(gateway.edgeUrl);
    connection.on("error", () => {});
    for (const path of ["/x", "/no.such.Service/Method", ...LOGIN_PATHS.map(({ SEND }) => SEND)]) {
      const stream = connection.request({ ":method": "POST", ":path": path, "content-type": "application/json" });
      stream.on("error", () => {}).on("data", () => {});
      const answered = new Promise((resolve) => stream.once("response", resolve));
      stream.end(new Uint8Array(600_000));
      await answered;
      await until(() => stream.closed, `the stream of ${path} to be closed`);
    }
    connection.destroy();
  }));
