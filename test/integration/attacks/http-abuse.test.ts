import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { piecesOf } from "../../support/grpc-web-text.ts";
import { CARRIERS, http1, http2, RawHttp1, type RawRequest } from "../../support/raw-http.ts";
import { openWorld, type World } from "../../support/world.ts";

/** Requests that break HTTP or an RPC protocol. Each answer is an error of that protocol, without further information. */

const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const SUBSCRIBE = "/sallyport.v1.Gateway/SubscribeEvents";
const REQUEST_BYTES_MAX = 16_384;

let world: World;
beforeAll(async () => {
  world = await openWorld({ "limits.payload_bytes_max": 4096, "limits.request_bytes_max": REQUEST_BYTES_MAX });
});
afterAll(() => world.close());

const urlOf = (listener: "edge" | "grpc") => (listener === "edge" ? world.gateway.edgeUrl : world.gateway.grpcUrl);

const post = (path: string, contentType: string, body: Uint8Array | string = "", headers = {}): RawRequest => ({
  path,
  headers: { "content-type": contentType, ...headers },
  body,
});

const frame = (flags: number, length: number, message: Uint8Array | string = "") => {
  const header = Buffer.alloc(5);
  header[0] = flags;
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, Buffer.from(message)]);
};

/** The grpc-status in the trailer frame of a gRPC-Web answer. */
const grpcStatusOf = (body: Buffer | undefined) => /grpc-status: *(\d+)/i.exec(body?.toString("latin1") ?? "")?.[1];

/** The error code in the end-of-stream message of a Connect stream. */
const endCodeOf = (body: Buffer | undefined) => /"code":"(\w+)"/.exec(body?.toString("latin1") ?? "")?.[1];

/** A few kilobytes that decompress to 8 MiB. */
const ZEROS = Buffer.alloc(8 * 1024 * 1024);
const BOMBS = [
  { encoding: "gzip", message: gzipSync(ZEROS) },
  { encoding: "br", message: brotliCompressSync(ZEROS) },
  { encoding: "zstd", message: Bun.zstdCompressSync(ZEROS) },
];

describe.each(CARRIERS)("over $name", ({ listener, send }) => {
  const call = (request: RawRequest) => send(urlOf(listener), request);

  describe("a body that is too large is refused with the protocol's error code", () => {
    test.each([REQUEST_BYTES_MAX + 6, 40_000, 1_000_000, 4_000_000])("%d bytes", async (size) => {
      const body = new Uint8Array(size);
      const unary = await call(post(EXECUTE, "application/proto", body));
      expect(unary?.status).toBe(429);
      expect(unary?.body.toString()).toContain("REQUEST_TOO_LARGE");
      const stream = await call(post(SUBSCRIBE, "application/connect+proto", frame(0, size, body)));
      expect([stream?.status, endCodeOf(stream?.body)]).toEqual([200, "resource_exhausted"]);
      const web = await call(post(EXECUTE, "application/grpc-web+proto", frame(0, size, body)));
      expect([web?.status, grpcStatusOf(web?.body)]).toEqual([200, "8"]);
      for (const path of [EXECUTE, SUBSCRIBE]) {
        const text = await call(post(path, "application/grpc-web-text", frame(0, size, body).toString("base64")));
        expect([text?.status, grpcStatusOf(text && piecesOf(text.body.toString()))]).toEqual([200, "8"]);
      }
    });

    test("the limit of gRPC-Web text counts decoded bytes", async () => {
      for (const size of [REQUEST_BYTES_MAX, REQUEST_BYTES_MAX + 1]) {
        const body = frame(0, size, new Uint8Array(size)).toString("base64");
        const text = await call(post(EXECUTE, "application/grpc-web-text", body));
        const expected = size > REQUEST_BYTES_MAX ? "8" : "3";
        expect([size, grpcStatusOf(text && piecesOf(text.body.toString()))]).toEqual([size, expected]);
      }
    });
  });

  describe("frames", () => {
    const cases: readonly (readonly [text: string, body: Uint8Array, connect: string, grpc: string])[] = [
      ["no message in a stream", new Uint8Array(0), "unimplemented", "12"],
      ["a truncated header", new Uint8Array([0, 0, 0]), "invalid_argument", "3"],
      ["a truncated message", frame(0, 100, "short"), "invalid_argument", "3"],
      ["two messages", Buffer.concat([frame(0, 0), frame(0, 0)]), "unimplemented", "12"],
      ["the end-of-stream flag", frame(2, 2, "{}"), "invalid_argument", "3"],
      ["unknown flags", frame(0x40, 0), "invalid_argument", "3"],
      ["a length of 4 GiB", frame(0, 0xffffffff), "resource_exhausted", "8"],
      ["a compressed message that was not announced", frame(1, 1, "x"), "internal", "13"],
    ];
    test.each(cases)("%s", async (_, body, connectCode, grpcStatus) => {
      const stream = await call(post(SUBSCRIBE, "application/connect+proto", body));
      expect([stream?.status, endCodeOf(stream?.body)]).toEqual([200, connectCode]);
      for (const path of [EXECUTE, SUBSCRIBE]) {
        const web = await call(post(path, "application/grpc-web+proto", body));
        expect([web?.status, grpcStatusOf(web?.body)]).toEqual([200, grpcStatus]);
        const bytes = Buffer.from(body);
        const inPieces = Array.from(bytes, (_, at) => bytes.toString("base64", at, at + 1)).join("");
        for (const base64 of [bytes.toString("base64"), inPieces]) {
          const text = await call(post(path, "application/grpc-web-text", base64));
          expect(text?.headers["content-type"]).toBe("application/grpc-web-text+proto");
          expect([text?.status, grpcStatusOf(text && piecesOf(text.body.toString()))]).toEqual([200, grpcStatus]);
        }
      }
    });
  });

  test("gRPC-Web text that is not canonical base64 is refused in base64", async () => {
    const empty = frame(0, 0).toString("base64");
    for (const body of [
      "!!!!",
      empty.slice(0, -1),
      `${empty}\r\n`,
      "AAAAAAB=",
      "AAAA AAA=",
      "-_-_",
      "====",
      frame(0, 3, "abc"),
    ]) {
      for (const path of [EXECUTE, SUBSCRIBE]) {
        const text = await call(post(path, "application/grpc-web-text", body));
        const answer = text && piecesOf(text.body.toString());
        expect([body, text?.status, grpcStatusOf(answer)]).toEqual([body, 200, "3"]);
        expect(answer?.toString()).toContain("cannot%20be%20read%20as%20base64");
      }
    }
  });

  test("the Accept header selects the form of a gRPC-Web response", async () => {
    const [binary, text] = ["application/grpc-web+proto", "application/grpc-web-text+proto"];
    const cases = [
      { sent: binary, accept: text, answered: text },
      { sent: text, accept: binary, answered: binary },
      { sent: text, accept: "*/*", answered: text },
      { sent: binary, accept: "*/*", answered: binary },
    ];
    for (const { sent, accept, answered } of cases) {
      for (const path of [EXECUTE, SUBSCRIBE, "/no.such/Method"]) {
        const body = sent === text ? frame(0, 0).toString("base64") : frame(0, 0);
        const answer = await call(post(path, sent, body, { accept }));
        expect([path, answer?.headers["content-type"]]).toEqual([path, answered]);
        const frames = answer && (answered === text ? piecesOf(answer.body.toString()) : answer.body);
        expect(grpcStatusOf(frames)).toBe(path.startsWith("/no") ? "12" : "3");
      }
    }
  });

  describe("a message that decompresses to more than the limit is refused", () => {
    test.each(BOMBS)("$encoding", async ({ encoding, message }) => {
      const unary = await call(post(EXECUTE, "application/proto", message, { "content-encoding": encoding }));
      expect([unary?.status, unary?.body.toString()]).toEqual([429, expect.stringContaining("REQUEST_TOO_LARGE")]);
      const headers = { "connect-content-encoding": encoding };
      const stream = await call(post(SUBSCRIBE, "application/connect+proto", frame(1, message.byteLength, message), headers));
      expect(endCodeOf(stream?.body)).toBe("resource_exhausted");
    });

    test("an unknown compression and invalid compressed bytes are refused", async () => {
      const unknown = await call(post(EXECUTE, "application/proto", "", { "content-encoding": "lzma" }));
      expect([unknown?.status, endCodeOf(unknown?.body)]).toEqual([501, "unimplemented"]);
      const garbage = await call(post(EXECUTE, "application/proto", "garbage", { "content-encoding": "gzip" }));
      expect([garbage?.status, endCodeOf(garbage?.body)]).toEqual([400, "invalid_argument"]);
    });
  });

  test("every method except POST on an RPC: 405 with Allow", async () => {
    for (const method of ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      for (const path of [EXECUTE, SUBSCRIBE]) {
        const answer = await call({ method, path, headers: { "content-type": "application/proto" } });
        expect([method, answer?.status, answer?.headers["allow"], answer?.body.byteLength]).toEqual([method, 405, "POST", 0]);
      }
    }
  });

  test("a wrong content type: 415 with Accept-Post", async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/json2",
      "application/grpc-web-text+json",
      "application/grpc-web-text-base64",
      "",
    ]) {
      const answer = await call(post(EXECUTE, type, "{}"));
      expect([type, answer?.status]).toEqual([type, 415]);
      expect(answer?.headers["accept-post"]).toContain("application/grpc-web+proto");
    }
    const unaryOnStream = await call(post(SUBSCRIBE, "application/json", "{}"));
    expect(unaryOnStream?.status).toBe(415);
    expect(unaryOnStream?.headers["accept-post"]).toContain("application/connect+json");
    const streamOnUnary = await call(post(EXECUTE, "application/connect+json", "{}"));
    expect(streamOnUnary?.status).toBe(415);
  });

  test("a content type is parsed as in RFC 9110: any case, quotes and parameters", async () => {
    for (const parameter of [
      "",
      "; charset=utf-8",
      ';charset="utf-8"',
      ' ; Charset="UTF-8"',
      "; CHARSET=Utf-8",
      '; charset="ut\\f-8"',
      ";",
      "; ; charset=utf-8;",
      "; x=1; charset=utf-8",
      '; x="; charset=latin1"',
      '; x="a\\"b"; charset=utf-8',
      "\t;\tcharset=utf-8",
    ]) {
      for (const type of ["application/json", "APPLICATION/JSON", "Application/Json"]) {
        const answer = await call(post(EXECUTE, type + parameter, "{}"));
        expect([type + parameter, answer?.status]).toEqual([type + parameter, 400]);
      }
      const web = await call(post(EXECUTE, `Application/gRPC-Web+JSON${parameter}`, frame(0, 2, "{}")));
      expect([parameter, web?.status, grpcStatusOf(web?.body)]).toEqual([parameter, 200, "3"]);
      const stream = await call(post(SUBSCRIBE, `application/Connect+json${parameter}`, frame(0, 2, "{}")));
      expect([parameter, stream?.status, endCodeOf(stream?.body)]).toEqual([parameter, 200, "invalid_argument"]);
    }
    expect((await call(post(EXECUTE, "application/proto; messageType=x", "")))?.status).toBe(400);
    for (const parameter of [
      "; charset=latin1",
      '; charset="utf-16"',
      "; charset=utf-8; charset=latin1",
      ' ; charset = "utf-8"',
      '; charset="utf-8',
      "; charset=",
      "; charset='utf-8'",
      " charset=utf-8",
      ", application/json",
      "; =x",
    ]) {
      const answer = await call(post(EXECUTE, `application/json${parameter}`, "{}"));
      expect([parameter, answer?.status]).toEqual([parameter, 415]);
    }
  });

  test("the name of a content coding has any case, and identity means no coding", async () => {
    const packed = [
      { names: ["gzip", "GZIP", "Gzip", "x-gzip", "X-GZip", "identity, gzip", "gzip , identity"], body: gzipSync("{}") },
      { names: ["br", "BR"], body: brotliCompressSync("{}") },
      { names: ["zstd", "ZStd"], body: Bun.zstdCompressSync("{}") },
      { names: ["identity", "Identity", "IDENTITY", "identity,identity", ""], body: Buffer.from("{}") },
    ];
    for (const { names, body } of packed) {
      for (const name of names) {
        const unary = await call(post(EXECUTE, "application/json", body, { "content-encoding": name }));
        expect([name, unary?.status, unary?.body.toString()]).toEqual([
          name,
          400,
          expect.stringContaining("MALFORMED_ENVELOPE"),
        ]);
        const framed = frame(name === "" || /^identity(,identity)?$/i.test(name) ? 0 : 1, body.byteLength, body);
        const stream = await call(post(SUBSCRIBE, "application/connect+json", framed, { "connect-content-encoding": name }));
        expect([name, stream?.body.toString()]).toEqual([name, expect.stringContaining("MALFORMED_ENVELOPE")]);
        const web = await call(post(EXECUTE, "application/grpc-web+json", framed, { "grpc-encoding": name }));
        expect([name, web?.body.toString()]).toEqual([name, expect.stringContaining("the%20envelope")]);
      }
    }
    for (const name of ["gzip, gzip", "gzip, br", "deflate", "gzip;q=1", "*"]) {
      const unary = await call(post(EXECUTE, "application/json", gzipSync("{}"), { "content-encoding": name }));
      expect([name, unary?.status, endCodeOf(unary?.body)]).toEqual([name, 501, "unimplemented"]);
    }
  });

  test("an unknown RPC method is refused in the protocol of the request", async () => {
    const paths = ["/sallyport.v1.Gateway/Nothing", "/sallyport.v1.Push/SubscribePush", "/grpc.health.v1.Nothing/Check"];
    for (const path of paths) {
      const connect = await call(post(path, "application/json", "{}"));
      expect([connect?.status, endCodeOf(connect?.body)]).toEqual([404, "unimplemented"]);
      const web = await call(post(path, "application/grpc-web+proto", frame(0, 0)));
      expect([web?.status, grpcStatusOf(web?.body)]).toEqual([200, "12"]);
    }
  });

  test("similar paths are not found", async () => {
    const strange = [
      "/",
      "//",
      "/sallyport.v1.gateway/executecommand",
      `${EXECUTE}/x`,
      `/x${EXECUTE}`,
      "/%zz",
      "/%00",
      "/%ff%fe",
      "/metrics",
      "/healthz",
      "/dev/outbox",
      "/api/v1/internal/sessions/x",
      "/api/v1/user/profile",
    ];
    for (const path of strange) {
      const answer = await call(post(path, "application/json", "{}"));
      expect([path, answer?.status]).toEqual([path, 404]);
    }
  });

  test("invalid protocol headers are invalid_argument", async () => {
    for (const headers of [
      { "connect-timeout-ms": "soon" },
      { "connect-timeout-ms": "-1" },
      { "connect-timeout-ms": "99999999999999" },
      { "connect-protocol-version": "2" },
    ]) {
      const answer = await call(post(EXECUTE, "application/json", "{}", headers));
      expect([headers, answer?.status, endCodeOf(answer?.body)]).toEqual([headers, 400, "invalid_argument"]);
    }
    const web = await call(post(EXECUTE, "application/grpc-web+proto", frame(0, 0), { "grpc-timeout": "soon" }));
    expect(grpcStatusOf(web?.body)).toBe("3");
  });
});

describe("request smuggling: a request with ambiguous framing is refused", () => {
  const head = `POST ${EXECUTE} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/json\r\n`;
  test.each([
    ["a length and chunks", `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`],
    ["two lengths", `${head}Content-Length: 2\r\nContent-Length: 44\r\n\r\n{}`],
    ["a negative length", `${head}Content-Length: -1\r\n\r\n{}`],
    ["a length with a sign", `${head}Content-Length: +2\r\n\r\n{}`],
    ["a length in hexadecimal", `${head}Content-Length: 0x2\r\n\r\n{}`],
    ["a chunk size that is not a number", `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`],
    ["a space before a colon", `${head}Content-Length : 2\r\n\r\n{}`],
    ["no host", `POST ${EXECUTE} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}`],
    ["bytes that are not HTTP", "\u0000\u0001\u0002\r\n\r\n"],
    ["an endless header", `${head}X-A: ${"a".repeat(100_000)}\r\n\r\n`],
  ])("%s", async (_, bytes) => {
    const connection = await RawHttp1.open(world.gateway.edgeUrl);
    connection.send(bytes);
    const answer = await connection.answer();
    expect([400, 431, undefined]).toContain(answer?.status);
    expect(answer?.body.byteLength ?? 0).toBe(0);
    connection.close();
  });

  test("over HTTP/2 a stream with a body longer than its Content-Length is reset", async () => {
    const request = post(EXECUTE, "application/json", `{}${" ".repeat(100)}`, { "content-length": "2" });
    expect(await http2(world.gateway.edgeUrl, request)).toBeUndefined();
  });
});

describe("slow clients", () => {
  test("a hundred endless bodies (slowloris) do not delay other requests", async () => {
    const head = `POST ${EXECUTE} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`;
    const slow = await Promise.all(Array.from({ length: 100 }, () => RawHttp1.open(world.gateway.edgeUrl)));
    for (const connection of slow) connection.send(head);
    const headersOnly = await Promise.all(Array.from({ length: 20 }, () => RawHttp1.open(world.gateway.edgeUrl)));
    for (const connection of headersOnly) connection.send("POST / HTTP/1.1\r\nHost: ");
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => http1(world.gateway.edgeUrl, post(EXECUTE, "application/json", "{}"))),
    );
    for (const answer of answers) expect(answer?.status).toBe(400);
    for (const connection of slow) expect([connection.closed, connection.received.byteLength]).toEqual([false, 0]);
    for (const connection of [...slow, ...headersOnly]) connection.close();
  });

  test("after a body that is cut off, the next request is served", async () => {
    const connection = await RawHttp1.open(world.gateway.edgeUrl);
    connection.send(
      `POST ${EXECUTE} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
    );
    connection.close();
    expect((await http1(world.gateway.edgeUrl, post(EXECUTE, "application/json", "{}")))?.status).toBe(400);
  });
});

test("no request caused an error in the gateway's log", () => {
  const faults = world
    .logged()
    .split("\n")
    .filter((line) => line.includes('"level":"error"') || line.includes("unexpected"));
  expect(faults).toEqual([]);
});
