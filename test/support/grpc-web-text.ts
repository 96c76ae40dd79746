import type { Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-grpc-web";
import {
  compressionBrotli,
  compressionGzip,
  createNodeHttpClient,
  type GrpcWebTransportOptions,
  Http2SessionManager,
} from "@connectrpc/connect-node";

const TEXT = "application/grpc-web-text";

/**
 * gRPC-Web text by connect-es, whose gRPC-Web has binary bodies only: an HTTP client converts the bodies. The client decodes each response
 * as it arrives, and throws if a chunk is not a sequence of padded pieces.
 */
export function createGrpcWebTextTransport(options: GrpcWebTransportOptions): Transport {
  const binary = httpClientOf(options);
  return createTransport({
    baseUrl: options.baseUrl,
    httpClient: async (request) => {
      const header = new Headers(request.header);
      header.set("content-type", TEXT);
      header.set("accept", TEXT);
      const response = await binary({ ...request, header, ...(request.body && { body: inBase64(request.body) }) });
      const type = response.header.get("content-type") ?? "";
      if (!type.startsWith(TEXT)) return response;
      const binaryHeader = new Headers(response.header);
      binaryHeader.set("content-type", type.replace("-text", ""));
      return { ...response, header: binaryHeader, body: outOfBase64(response.body) };
    },
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [compressionGzip, compressionBrotli],
    sendCompression: null,
    compressMinBytes: 1024,
    readMaxBytes: 0xffffffff,
    writeMaxBytes: 0xffffffff,
  });
}

function httpClientOf({ baseUrl, httpVersion, nodeOptions }: GrpcWebTransportOptions): UniversalClientFn {
  if (httpVersion === "1.1") return createNodeHttpClient({ httpVersion, ...(nodeOptions && { nodeOptions }) });
  const sessionManager = new Http2SessionManager(baseUrl, {}, nodeOptions);
  return createNodeHttpClient({ httpVersion, sessionProvider: () => sessionManager });
}

/** The body in one padded piece, as the published client sends it. */
async function* inBase64(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  yield Buffer.from(Buffer.concat(await Array.fromAsync(body)).toString("base64"));
}

async function* outOfBase64(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let rest = "";
  for await (const chunk of body) {
    rest += Buffer.from(chunk).toString("latin1");
    const whole = rest.length - (rest.length % 4);
    yield piecesOf(rest.slice(0, whole));
    rest = rest.slice(whole);
  }
  if (rest !== "") throw new Error(`the body ends within base64: ${rest}`);
}

/** Decodes padded pieces, one after the other. */
export function piecesOf(text: string): Buffer {
  const pieces = text.match(/(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)/g) ?? [];
  if (pieces.join("") !== text) throw new Error(`not base64: ${text.slice(0, 100)}`);
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece, "base64")));
}
