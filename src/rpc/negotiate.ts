import { isUtf8, type MediaType, parseMediaType } from "../core/media-type.ts";
import type { CodecName } from "./codec.ts";
import { connectStream, connectUnary } from "./connect.ts";
import { grpc } from "./grpc.ts";
import { grpcWeb, grpcWebAccepting, grpcWebText } from "./grpc-web.ts";
import type { HeaderReader, HttpRequest } from "./http.ts";
import type { BodyForm, StreamProtocol, UnaryProtocol } from "./protocol.ts";

/** The protocol and the codec that the content type of a request selects. */
export interface Negotiated<P> {
  readonly protocol: P;
  readonly codec: CodecName;
}

/** Returns the protocol of a gRPC-Web call. It depends on the form of the request body and on the Accept header. */
type WebAccepting<P> = (requestForm: BodyForm, accept: string | null) => P;

/** Maps content types to the protocols that serve one kind of method, such as unary. */
export class ProtocolTable<P extends UnaryProtocol | StreamProtocol> {
  readonly #byContentType = new Map<string, Negotiated<P>>();
  readonly #webAccepting: WebAccepting<P> | undefined;
  /** Value of the header `Accept-Post` in a 415 response. It lists all accepted content types. */
  readonly acceptPost: string;

  /** If `webAccepting` is missing, each gRPC-Web response has the form of its request: binary or base64. */
  constructor(protocols: readonly P[], webAccepting?: WebAccepting<P>) {
    this.#webAccepting = webAccepting;
    for (const protocol of protocols) {
      for (const codec of ["proto", "json"] as const) this.#add(protocol.contentTypes[codec], { protocol, codec });
      // A content type of gRPC or gRPC-Web without a codec means Protobuf.
      const unnamed = protocol.contentTypes.proto?.replace("+proto", "");
      if (protocol.name !== "connect") this.#add(unnamed, { protocol, codec: "proto" });
    }
    this.acceptPost = [...this.#byContentType.keys()].join(", ");
  }

  /**
   * Finds the protocol and codec of a request by its content type and, for gRPC-Web, its Accept header. Returns `undefined` if
   * no protocol has this content type. A JSON content type may have a charset parameter, which must be UTF-8.
   */
  find(headers: HeaderReader): Negotiated<P> | undefined {
    const contentType = headers.get("content-type");
    if (contentType === null) return undefined;
    const found = this.#byContentType.get(contentType) ?? this.#parsed(parseMediaType(contentType));
    return found === undefined || this.#webAccepting === undefined ? found : accepting(found, headers, this.#webAccepting);
  }

  #add(contentType: string | undefined, negotiated: Negotiated<P>): void {
    if (contentType !== undefined) this.#byContentType.set(contentType, negotiated);
  }

  #parsed(type: MediaType | undefined): Negotiated<P> | undefined {
    if (type === undefined) return undefined;
    const found = this.#byContentType.get(type.essence);
    return found?.codec === "json" && !isUtf8(type) ? undefined : found;
  }
}

/**
 * For a gRPC-Web call with the codec Protobuf, applies the Accept header: it selects a binary or a base64 response. Does not
 * change other calls.
 */
function accepting<P extends UnaryProtocol | StreamProtocol>(
  found: Negotiated<P>,
  headers: HeaderReader,
  webAccepting: WebAccepting<P>,
): Negotiated<P> {
  const { protocol, codec } = found;
  if (codec !== "proto" || (protocol.name !== "grpc-web" && protocol.name !== "grpc-web-text")) return found;
  const accepted = webAccepting(protocol.requestForm, headers.get("accept"));
  return accepted === protocol ? found : { protocol: accepted, codec };
}

/**
 * Returns two tables of protocols. The table `withoutTrailers` is for connections that cannot carry trailers. The table
 * `withTrailers` is for the other connections. Only this table contains gRPC, because gRPC needs trailers.
 */
function tables<P extends UnaryProtocol | StreamProtocol>(protocols: readonly P[], grpc: P, webAccepting?: WebAccepting<P>) {
  return {
    withoutTrailers: new ProtocolTable(protocols, webAccepting),
    withTrailers: new ProtocolTable([...protocols, grpc], webAccepting),
  };
}

const unary = tables<UnaryProtocol>([connectUnary, grpcWeb, grpcWebText], grpc, grpcWebAccepting);
const serverStream = tables<StreamProtocol>([connectStream, grpcWeb, grpcWebText], grpc, grpcWebAccepting);
/** gRPC-Web text is not included, because its clients cannot stream requests. */
const bidiStream = tables<StreamProtocol>([connectStream, grpcWeb], grpc);

/** Returns the unary protocols that a request may use. gRPC is included only if the connection supports trailers. */
export function unaryProtocols(request: HttpRequest): ProtocolTable<UnaryProtocol> {
  return request.trailers ? unary.withTrailers : unary.withoutTrailers;
}

export function serverStreamProtocols(request: HttpRequest): ProtocolTable<StreamProtocol> {
  return request.trailers ? serverStream.withTrailers : serverStream.withoutTrailers;
}

export function bidiStreamProtocols(request: HttpRequest): ProtocolTable<StreamProtocol> {
  return request.trailers ? bidiStream.withTrailers : bidiStream.withoutTrailers;
}
