import type { CodecName } from "./codec.ts";
import { connectStream, connectUnary } from "./connect.ts";
import { grpcWeb } from "./grpc-web.ts";
import type { StreamProtocol, UnaryProtocol } from "./protocol.ts";

/** What a request's content type says: which protocol is spoken, and how messages are written. */
export interface Negotiated<P> {
  readonly protocol: P;
  readonly codec: CodecName;
}

const UNARY: readonly UnaryProtocol[] = [connectUnary, grpcWeb];
const STREAM: readonly StreamProtocol[] = [connectStream, grpcWeb];

const unaryByContentType = byContentType(UNARY);
const streamByContentType = byContentType(STREAM);

export function negotiateUnary(contentType: string | null): Negotiated<UnaryProtocol> | undefined {
  return find(unaryByContentType, contentType);
}

export function negotiateStream(contentType: string | null): Negotiated<StreamProtocol> | undefined {
  return find(streamByContentType, contentType);
}

/** The `Accept-Post` of a 415. */
export const ACCEPT_POST_UNARY = [...unaryByContentType.keys()].join(", ");
export const ACCEPT_POST_STREAM = [...streamByContentType.keys()].join(", ");

function byContentType<P extends UnaryProtocol | StreamProtocol>(protocols: readonly P[]): Map<string, Negotiated<P>> {
  const map = new Map<string, Negotiated<P>>();
  for (const protocol of protocols) {
    for (const codec of ["proto", "json"] as const) map.set(protocol.contentTypes[codec], { protocol, codec });
    // gRPC's content types stand for Protobuf where they name no codec.
    if (protocol.name !== "connect") {
      map.set(protocol.contentTypes.proto.replace("+proto", ""), { protocol, codec: "proto" });
    }
  }
  return map;
}

/** Media types ignore case, and JSON may say that it is UTF-8, which it always is. */
function find<P>(map: ReadonlyMap<string, Negotiated<P>>, contentType: string | null): Negotiated<P> | undefined {
  if (contentType === null) return undefined;
  return map.get(contentType) ?? map.get(contentType.toLowerCase().replace(/json *; *charset=utf-?8$/, "json"));
}
