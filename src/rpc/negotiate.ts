import { isUtf8, type MediaType, parseMediaType } from "../core/media-type.ts";
import type { CodecName } from "./codec.ts";
import { connectStream, connectUnary } from "./connect.ts";
import { grpc } from "./grpc.ts";
import { grpcWeb } from "./grpc-web.ts";
import type { HttpRequest } from "./http.ts";
import type { StreamProtocol, UnaryProtocol } from "./protocol.ts";

/** The protocol and the codec that the content type of a request selects. */
export interface Negotiated<P> {
  readonly protocol: P;
  readonly codec: CodecName;
}

/** Maps content types to the protocols that serve one kind of method: unary or streaming. */
export class ProtocolTable<P extends UnaryProtocol | StreamProtocol> {
  readonly #byContentType = new Map<string, Negotiated<P>>();
  /** Value of the header `Accept-Post` in a 415 response. It lists all accepted content types. */
  readonly acceptPost: string;

  constructor(protocols: readonly P[]) {
    for (const protocol of protocols) {
      for (const codec of ["proto", "json"] as const)
        this.#byContentType.set(protocol.contentTypes[codec], { protocol, codec });
      // A content type of gRPC or gRPC-Web without a codec means Protobuf.
      const unnamed = protocol.contentTypes.proto.replace("+proto", "");
      if (protocol.name !== "connect") this.#byContentType.set(unnamed, { protocol, codec: "proto" });
    }
    this.acceptPost = [...this.#byContentType.keys()].join(", ");
  }

  /**
   * Finds the protocol and codec of a content type. Returns `undefined` if no protocol has this content type. A JSON content
   * type may have a charset parameter, which must be UTF-8.
   */
  find(contentType: string | null): Negotiated<P> | undefined {
    if (contentType === null) return undefined;
    return this.#byContentType.get(contentType) ?? this.#parsed(parseMediaType(contentType));
  }

  #parsed(type: MediaType | undefined): Negotiated<P> | undefined {
    if (type === undefined) return undefined;
    const found = this.#byContentType.get(type.essence);
    return found?.codec === "json" && !isUtf8(type) ? undefined : found;
  }
}

const UNARY: readonly UnaryProtocol[] = [connectUnary, grpcWeb];
const STREAM: readonly StreamProtocol[] = [connectStream, grpcWeb];

const unary = { withoutTrailers: new ProtocolTable(UNARY), withTrailers: new ProtocolTable([...UNARY, grpc]) };
const stream = { withoutTrailers: new ProtocolTable(STREAM), withTrailers: new ProtocolTable([...STREAM, grpc]) };

/** Returns the unary protocols that a request may use. gRPC is included only if the connection supports trailers. */
export function unaryProtocols(request: HttpRequest): ProtocolTable<UnaryProtocol> {
  return request.trailers ? unary.withTrailers : unary.withoutTrailers;
}

export function streamProtocols(request: HttpRequest): ProtocolTable<StreamProtocol> {
  return request.trailers ? stream.withTrailers : stream.withoutTrailers;
}
