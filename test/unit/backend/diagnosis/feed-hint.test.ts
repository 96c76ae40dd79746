import { afterEach, describe, expect, test } from "bun:test";
import { ConnectError } from "@connectrpc/connect";
import { openPushLink, type PushProtocol } from "../../../../src/backend/feed/push-transport.ts";
import { type FixedAnswer, HTML, JSON_404, startWrongServer, type WrongServer } from "../../../support/wrong-servers.ts";
import { PushServer } from "../support/push-server.ts";

/** A push feed that cannot be opened says what to change, whatever the library's error says. */

const servers: WrongServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

/** Opens the feed once, and returns the hint for its failure. */
async function hintFor(url: string, protocol: PushProtocol = "grpc", token?: string): Promise<string | undefined> {
  const link = openPushLink({ url, protocol, token, connectTimeoutMs: 1000 });
  const never = new AbortController().signal;
  try {
    await link.connect();
    for await (const _ of link.subscribe({ gatewayId: "g", cursor: "" }, { signal: AbortSignal.timeout(1000), onHeader() {} }))
      break;
    return "the feed is open";
  } catch (error) {
    return await link.explain(ConnectError.from(error), never);
  } finally {
    link.close();
  }
}

async function start(kind: Parameters<typeof startWrongServer>[0], answer?: FixedAnswer): Promise<number> {
  const server = await startWrongServer(kind, answer);
  servers.push(server);
  return server.port;
}

const REST = "push.url must name the backend's push service, which speaks HTTP/2, and not its REST interface";

describe.each<PushProtocol>(["grpc", "connect", "grpc-web"])("push.protocol = %s", (protocol) => {
  test.each<[Parameters<typeof startWrongServer>[0], string, string]>([
    ["HTTP/1.1", "http", `the server speaks HTTP/1.1 but not HTTP/2 without TLS (h2c); ${REST}`],
    ["HTTP/1.1", "https", `the server does not use TLS, and speaks HTTP/1.1 but not HTTP/2 without TLS (h2c); ${REST}`],
    ["HTTP/1.1 over TLS", "http", "the server uses TLS; write https:// instead of http:// in push.url"],
    ["HTTP/1.1 over TLS", "https", "its certificate is not signed by a trusted authority (DEPTH_ZERO_SELF_SIGNED_CERT)"],
    ["HTTP/2 over TLS", "http", "the server uses TLS; write https:// instead of http:// in push.url"],
    ["HTTP/2 over TLS", "https", "its certificate is not signed by a trusted authority (DEPTH_ZERO_SELF_SIGNED_CERT)"],
    ["h2c", "https", "the server does not use TLS; write http:// instead of https:// in push.url"],
    ["silent", "https", "the server does not answer the TLS handshake; is the port of push.url right?"],
    ["silent", "http", "the server speaks neither HTTP/2 nor TLS; is the port of push.url right?"],
    ["closing", "http", "the server speaks neither HTTP/2 nor TLS; is the port of push.url right?"],
  ])("a server of %s behind an %s URL", async (kind, scheme, hint) => {
    expect(await hintFor(`${scheme}://127.0.0.1:${await start(kind)}`, protocol)).toStartWith(hint);
  });

  const status = (code: number): FixedAnswer => ({ status: code, headers: { location: "/login" }, body: "" });
  test.each<[string, FixedAnswer, string]>([
    ["an HTML page", HTML, "the server answers with an HTML page"],
    ["404", JSON_404, "the server has no service sallyport.v1.Push; push.url must name the backend's push service"],
    ["401", status(401), "the backend asks for a token; set backend.token or backend.token_file"],
    ["403", status(403), "the backend asks for a token; set backend.token or backend.token_file"],
    ["a redirect", status(302), "the server redirects"],
    ["JSON", { ...JSON_404, status: 200 }, "the answer is not of the protocol push.protocol"],
  ])("an HTTP/2 server that answers %s", async (_, answer, hint) => {
    expect(await hintFor(`http://127.0.0.1:${await start("h2c", answer)}`, protocol)).toStartWith(hint);
  });
});

test("a refused token is distinguished from a missing one", async () => {
  const port = await start("h2c", { status: 401, headers: {}, body: "" });
  expect(await hintFor(`http://127.0.0.1:${port}`, "grpc", "hunter2")).toBe(
    "the backend refuses the gateway's token; compare backend.token or backend.token_file with what the backend expects",
  );
});

test("a path in push.url is named, and the same URL without it works", async () => {
  const push = await new PushServer().start();
  push.pushNumber(1);
  try {
    expect(await hintFor(`${push.url}/api/push`)).toStartWith("the server has no such path; remove the path from push.url");
    expect(await hintFor(push.url)).toBe("the feed is open");
  } finally {
    await push.kill();
  }
});

test("an error that names its cause gets no hint, and asks no server", async () => {
  expect(await hintFor("http://127.0.0.1:1")).toBeUndefined();
  expect(await hintFor("http://no-such-host.invalid:1")).toBeUndefined();
  expect(await hintFor(`http://127.0.0.1:${await start("h2c", { status: 503, headers: {}, body: "" })}`)).toBeUndefined();
});
