import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import { FLAG_COMPRESSED } from "../../../src/rpc/frame.ts";
import { grpcWeb, grpcWebText } from "../../../src/rpc/grpc-web.ts";
import { bidiStreamProtocols, serverStreamProtocols, unaryProtocols } from "../../../src/rpc/negotiate.ts";
import { requestWithHeaders } from "./support/request-with-headers.ts";

const NOTHING = { header: undefined, trailer: undefined, encoding: undefined };
const TRAILER_FLAG = 0x80;

/** The padded pieces of a text, decoded. Each must be a whole frame. A frame without padding cannot be distinguished from the next. */
function framesOf(body: Uint8Array): { readonly flags: number; readonly message: Buffer }[] {
  const pieces =
    Buffer.from(body)
      .toString("latin1")
      .match(/[^=]+={0,2}/g) ?? [];
  return pieces.map((piece) => {
    const frame = Buffer.from(Uint8Array.fromBase64(piece, { lastChunkHandling: "strict" }));
    expect(frame.readUInt32BE(1)).toBe(frame.byteLength - 5);
    return { flags: frame[0] ?? 0, message: frame.subarray(5) };
  });
}

describe("gRPC-Web text", () => {
  test("a response is a piece for the message and a piece for the trailers", () => {
    const reply = grpcWebText.reply(Uint8Array.of(1, 2, 3), "proto", NOTHING);
    expect(reply.headers).toEqual({ "content-type": "application/grpc-web-text+proto" });
    const [message, trailers, ...rest] = framesOf(reply.body);
    expect([message?.flags, [...(message?.message ?? [])], rest]).toEqual([0, [1, 2, 3], []]);
    expect(trailers?.flags).toBe(TRAILER_FLAG);
    expect(trailerParse(trailers?.message ?? new Uint8Array()).get("grpc-status")).toBe("0");
  });

  test("a compressed message has the compression flag in its frame", () => {
    const reply = grpcWebText.reply(Uint8Array.of(9, 9), "proto", { ...NOTHING, encoding: "gzip" });
    expect(new Headers(reply.headers as Headers).get("grpc-encoding")).toBe("gzip");
    expect(framesOf(reply.body)[0]?.flags).toBe(FLAG_COMPRESSED);
  });

  test("an error and the end of a stream are the trailers in a piece", () => {
    const error = new ConnectError("no", Code.PermissionDenied);
    const bodies = [grpcWebText.replyError(error, "proto", NOTHING).body, grpcWebText.streamEnd(error, undefined).frame];
    for (const body of bodies) {
      const [trailers, ...rest] = framesOf(body ?? new Uint8Array());
      expect([trailers?.flags, rest]).toEqual([TRAILER_FLAG, []]);
      expect(trailerParse(trailers?.message ?? new Uint8Array()).get("grpc-status")).toBe("7");
    }
  });

  test("the frames are those of binary gRPC-Web", () => {
    const error = new ConnectError("no", Code.Internal);
    const trailer = new Headers({ "x-a": "1" });
    for (const metadata of [NOTHING, { ...NOTHING, trailer }]) {
      const [text, binary] = [grpcWebText, grpcWeb].map((web) => web.replyError(error, "proto", metadata).body);
      expect(Buffer.from(Buffer.from(text ?? []).toString(), "base64")).toEqual(Buffer.from(binary ?? []));
    }
  });
});

describe("the protocol of a gRPC-Web call", () => {
  const TEXT = "application/grpc-web-text";
  const BINARY = "application/grpc-web+proto";
  const chosen = (contentType: string, accept?: string) => {
    const request = requestWithHeaders({ "content-type": contentType, ...(accept !== undefined && { accept }) });
    return [unaryProtocols(request), serverStreamProtocols(request)].map((protocols) => {
      const negotiated = protocols.find(request.headers);
      return negotiated && `${negotiated.protocol.name} ${negotiated.codec} ${negotiated.protocol.requestForm}`;
    });
  };

  test.each([
    // As the published client sends it.
    [TEXT, TEXT, "grpc-web-text proto base64"],
    [BINARY, undefined, "grpc-web proto binary"],
    [TEXT, undefined, "grpc-web-text proto base64"],
    [`${TEXT}+proto`, "*/*", "grpc-web-text proto base64"],
    ["Application/GRPC-Web-Text+Proto; x=1", "application/json", "grpc-web-text proto base64"],
    // The Accept header selects the form of the response.
    [BINARY, TEXT, "grpc-web-text proto binary"],
    ["application/grpc-web", `${TEXT}+proto`, "grpc-web-text proto binary"],
    [BINARY, "text/html, APPLICATION/GRPC-WEB-TEXT;q=0.9", "grpc-web-text proto binary"],
    [TEXT, BINARY, "grpc-web proto base64"],
    [TEXT, `${BINARY}, ${TEXT}`, "grpc-web-text proto base64"],
    [BINARY, `${TEXT}, ${BINARY}`, "grpc-web proto binary"],
    // Text has no JSON.
    ["application/grpc-web+json", TEXT, "grpc-web json binary"],
    [`${TEXT}+json`, TEXT, undefined],
    [`${TEXT}-base64`, TEXT, undefined],
    [`${TEXT}+thrift`, TEXT, undefined],
  ])("%s, Accept: %s", (contentType, accept, expected) => {
    expect(chosen(contentType, accept)).toEqual([expected, expected]);
  });

  test("a bidirectional call has no text", () => {
    const request = requestWithHeaders({ "content-type": BINARY, accept: TEXT });
    expect(bidiStreamProtocols(request).find(request.headers)?.protocol).toBe(grpcWeb);
    const text = requestWithHeaders({ "content-type": TEXT });
    expect(bidiStreamProtocols(text).find(text.headers)).toBeUndefined();
    expect(bidiStreamProtocols(text).acceptPost).not.toContain(TEXT);
    expect(unaryProtocols(text).acceptPost).toContain(`${TEXT}+proto, ${TEXT}`);
  });
});
