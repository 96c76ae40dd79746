import { afterEach, expect, test } from "bun:test";
import { connect } from "node:tls";
import { closeWhenUnused, drainServer } from "../../../../src/transport/bun/drain-server.ts";
import { selfSigned } from "../../../support/certificates.ts";
import { FrozenClients } from "../../../support/frozen-clients.ts";
import { until } from "../../../support/until.ts";

const ANSWER_BYTES = 30_000_000;
const { certificate: cert, key } = await selfSigned("drain.test");

const clean: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of clean.splice(0)) await each();
});

function serve() {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert, key },
    fetch: ({ url }) => new Response(url.endsWith("/large") ? "x".repeat(ANSWER_BYTES) : "small"),
  });
  clean.push(() => server.stop(true));
  return server;
}

async function frozenClientOf(url: URL): Promise<void> {
  const clients = await FrozenClients.open(url.href);
  clean.push(() => clients.close());
  await clients.answered("/");
  clients.freeze();
}

test("a drain does not wait for an idle client that does not answer close_notify", async () => {
  const server = serve();
  await frozenClientOf(server.url);
  await drainServer(server, 40);
  expect(server.pendingRequests).toBe(0);
});

test("Bun's stop(false) waits for such a client (if this fails, replace drainServer by stop(false))", async () => {
  const server = serve();
  await frozenClientOf(server.url);
  const stopped = server.stop(false).then(() => "stopped");
  expect(await Promise.race([stopped, Bun.sleep(500).then(() => "waiting")])).toBe("waiting");
});

test("a drain waits for a response that its client reads slowly", async () => {
  const server = serve();
  const client = connect({ host: "127.0.0.1", port: server.port ?? 0, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
  clean.push(() => client.destroy());
  let received = 0;
  let isPaused = true;
  client.on("data", ({ byteLength }: Uint8Array) => {
    received += byteLength;
    if (isPaused) client.pause();
  });
  client.once("secureConnect", () => client.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n"));
  await until(() => received > 0 && server.pendingRequests === 1, "the answer to begin");
  let checks = 0;
  const watched = {
    get pendingRequests() {
      checks++;
      return server.pendingRequests;
    },
    stop: (closesAll?: boolean) => server.stop(closesAll),
  };
  let isDrained = false;
  const drained = drainServer(watched, 40).then(() => {
    isDrained = true;
  });
  // Two checks in a row without a request end a drain of 40 ms.
  await until(() => checks > 5, "more checks");
  expect(isDrained).toBe(false);
  isPaused = false;
  client.resume();
  await until(() => received > ANSWER_BYTES, "the rest of the answer");
  await drained;
});

test("a replaced server is closed when it has had no request for the given time, and none is in flight", async () => {
  let checks = 0;
  let requests = 0;
  let isAsked = false;
  let isClosed = false;
  const server = {
    pendingRequests: 1,
    stop: async () => {
      isClosed = true;
    },
  };
  const requestsSoFar = () => {
    checks++;
    if (isAsked) requests++;
    return requests;
  };
  const closed = closeWhenUnused(server, requestsSoFar, 10);
  const staysOpen = async () => {
    const before = checks;
    await until(() => checks > before + 3, "more checks");
    return !isClosed;
  };
  expect(await staysOpen()).toBe(true);
  isAsked = true;
  server.pendingRequests = 0;
  expect(await staysOpen()).toBe(true);
  isAsked = false;
  await closed;
  expect(isClosed).toBe(true);
});
