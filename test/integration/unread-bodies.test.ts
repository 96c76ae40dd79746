import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Config } from "../../src/config/schema.ts";
import { AllListeners } from "../support/all-listeners.ts";
import { ACK, END_STREAM, FRAME, RawH2 } from "../support/raw-h2.ts";
import { RawHttp1 } from "../support/raw-http.ts";
import { until } from "../support/until.ts";
import { withWorld } from "../support/world.ts";

/** Answers that the gateway gives without reading the request body. The client must get them, and none waits long for a body. */

const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const LIMITED: Partial<Config> = { "budgets.failures.rate": 0.001, "budgets.failures.burst": 1 };
const NO_CURL = Bun.which("curl") === null ? "curl is not installed" : undefined;
const CALLS = 12;

/** Calls `url` several times with curl over HTTP/2, each time on a new connection. Returns each different outcome once. */
async function curl(url: string, ...more: string[]): Promise<string[]> {
  const http2 = url.startsWith("https:") ? ["--http2", "--insecure"] : ["--http2-prior-knowledge"];
  const args = ["-s", "-o", "/dev/null", "-w", "%{http_version} %{http_code} %{exitcode}", ...http2, ...more, url];
  const outcomes = new Set<string>();
  for (let call = 0; call < CALLS; call++) {
    const child = Bun.spawn(["curl", ...args], { stdout: "pipe", stderr: "ignore" });
    outcomes.add(await new Response(child.stdout).text());
    await child.exited;
  }
  return [...outcomes];
}

const listeners = new AllListeners();
beforeAll(() => listeners.open(), 60_000);
afterAll(() => listeners.close());

describe.skipIf(NO_CURL !== undefined)(NO_CURL ?? "curl over HTTP/2", () => {
  const ports = ["edge", "edge with TLS", "one port", "one port with TLS"];
  test.each(ports)(
    "%s: each answer to an unread body arrives",
    async (name) => {
      const { edgeUrl } = listeners.world(name).gateway;
      expect(await curl(`${edgeUrl}/nope`, "-d", "x")).toEqual(["2 404 0"]);
      expect(await curl(edgeUrl + EXECUTE, "-d", "{}")).toEqual(["2 415 0"]);
      expect(await curl(edgeUrl + EXECUTE, "-X", "PUT", "-d", "{}")).toEqual(["2 405 0"]);
      expect(await curl(`${edgeUrl}/nope`, "-d", "x".repeat(16_000))).toEqual(["2 404 0"]);
    },
    60_000,
  );

  test(
    "429 of a peer without failure budget arrives",
    () =>
      withWorld(LIMITED, async ({ gateway }) => {
        const json = ["-H", "content-type: application/json", "-d", "{}"];
        await curl(gateway.edgeUrl + EXECUTE, ...json);
        expect(await curl(gateway.edgeUrl + EXECUTE, ...json)).toEqual(["2 429 0"]);
      }),
    60_000,
  );
});

const POST = { ":method": "POST", ":scheme": "http", ":path": "/nope", ":authority": "a.example" };

/** Sends the head of a POST, and no body. Returns the client after the end of the answer. */
async function answered(url: string, fields: Readonly<Record<string, string>>): Promise<RawH2> {
  const client = new RawH2(url);
  client.headers({ ...POST, ...fields });
  await until(
    () => client.frames.some(({ type, flags }) => type === FRAME.data && flags === END_STREAM),
    "the end of the answer",
  );
  return client;
}

test.each(["edge", "one port"])("%s: a small body that comes with its request causes no reset", async (name) => {
  const client = new RawH2(listeners.world(name).gateway.edgeUrl);
  client.headers({ ...POST, "content-length": "1" });
  client.data(Buffer.from("x"), { end: true });
  await client.first(FRAME.data);
  client.frame(FRAME.ping, 0, 0, Buffer.alloc(8));
  await until(() => client.frames.some(({ type, flags }) => type === FRAME.ping && flags === ACK), "the answer to a PING");
  expect(client.frames.filter(({ type }) => type === FRAME.reset)).toEqual([]);
  client.destroy();
});

describe("an answer does not wait long for a body that does not arrive", () => {
  const lengths = [{ "content-length": "5" }, { "content-length": "16385" }, {}];
  const cases = ["edge", "one port"].flatMap((name) => lengths.map((fields) => [name, fields] as const));
  test.each(cases)("HTTP/2, %s, %j", async (name, fields) => {
    const client = await answered(listeners.world(name).gateway.edgeUrl, fields);
    expect((await client.first(FRAME.reset)).payload.readUInt32BE(0)).toBe(0);
    client.destroy();
  });

  test.each(["", "Connection: keep-alive\r\n"])("HTTP/1.1, %j", async (field) => {
    const connection = await RawHttp1.open(listeners.world("edge").gateway.edgeUrl);
    connection.send(`POST /nope HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n${field}\r\n`);
    expect((await connection.answer())?.status).toBe(404);
    connection.close();
  });
});

test("Bun.serve resets a stream whose answer ends before the body (if this fails, discard-unread.ts is no longer needed)", async () => {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", http2: true, fetch: () => new Response("unread") });
  const client = new RawH2(server.url.href);
  client.headers({ ...POST, "content-length": "1" });
  client.data(Buffer.from("x"), { end: true });
  expect((await client.first(FRAME.reset)).payload.readUInt32BE(0)).toBe(0);
  client.destroy();
  await server.stop(true);
});
