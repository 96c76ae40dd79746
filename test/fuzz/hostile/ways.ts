import { encodeFrame, FLAG_COMPRESSED } from "../../../src/rpc/frame.ts";
import { type HostileInput, type Kind, messageOn } from "./input.ts";
import { ENCODINGS, type Encoding } from "./packed-shapes.ts";

/**
 * The ways in which an unverified peer can cause work, all before the signature check. A way is one combination of entrance, call,
 * protocol, codec and compression.
 */

/** Where a connection goes, and how HTTP is spoken on it. */
export interface Entrance {
  readonly name: string;
  readonly port: "own-port" | "same-port";
  readonly listener: "edge" | "grpc";
  readonly http: "1.1" | "2";
  readonly hasTrailers: boolean;
}

export const ENTRANCES: readonly Entrance[] = [
  { name: "edge, HTTP/1.1", port: "own-port", listener: "edge", http: "1.1", hasTrailers: false },
  { name: "edge, HTTP/2", port: "own-port", listener: "edge", http: "2", hasTrailers: false },
  { name: "gRPC listener", port: "own-port", listener: "grpc", http: "2", hasTrailers: true },
  { name: "one port, HTTP/1.1", port: "same-port", listener: "edge", http: "1.1", hasTrailers: false },
  { name: "one port, HTTP/2", port: "same-port", listener: "edge", http: "2", hasTrailers: true },
];

export interface Way {
  readonly name: string;
  readonly entrance: Entrance;
  readonly call: string;
  readonly path: string;
  readonly contentType: string;
  readonly framed: boolean;
  /** Whether the body is in base64. */
  readonly isBase64: boolean;
  readonly codec: "json" | "proto" | "rest";
  readonly encoding: Encoding | undefined;
  /** The header that names the encoding. */
  readonly encodingHeader: string;
}

interface Protocol {
  readonly name: string;
  readonly contentType: (codec: "json" | "proto") => string;
  readonly framed: boolean;
  readonly encodingHeader: string;
  readonly streams: boolean;
  readonly needsTrailers?: boolean;
  /** Bodies are in base64, and messages in Protobuf only. */
  readonly isBase64?: boolean;
}

const PROTOCOLS: readonly Protocol[] = [
  {
    name: "Connect",
    contentType: (codec) => `application/${codec}`,
    framed: false,
    encodingHeader: "content-encoding",
    streams: false,
  },
  {
    name: "Connect",
    contentType: (codec) => `application/connect+${codec}`,
    framed: true,
    encodingHeader: "connect-content-encoding",
    streams: true,
  },
  ...([false, true] as const).flatMap((streams): Protocol[] => [
    {
      name: "gRPC-Web",
      contentType: (codec) => `application/grpc-web+${codec}`,
      framed: true,
      encodingHeader: "grpc-encoding",
      streams,
    },
    {
      name: "gRPC-Web text",
      contentType: () => "application/grpc-web-text+proto",
      framed: true,
      encodingHeader: "grpc-encoding",
      streams,
      isBase64: true,
    },
    {
      name: "gRPC",
      contentType: (codec) => `application/grpc+${codec}`,
      framed: true,
      encodingHeader: "grpc-encoding",
      streams,
      needsTrailers: true,
    },
  ]),
];

interface Callee {
  readonly name: string;
  readonly path: string;
  readonly streams: boolean;
}

const CALLEES: readonly Callee[] = [
  { name: "ExecuteCommand", path: "/sallyport.v1.Gateway/ExecuteCommand", streams: false },
  { name: "SubscribeEvents", path: "/sallyport.v1.Gateway/SubscribeEvents", streams: true },
  { name: "health Check", path: "/grpc.health.v1.Health/Check", streams: false },
  { name: "health List", path: "/grpc.health.v1.Health/List", streams: false },
  { name: "health Watch", path: "/grpc.health.v1.Health/Watch", streams: true },
  { name: "reflection", path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", streams: true },
  { name: "unknown method", path: "/sallyport.v1.Gateway/NoSuchMethod", streams: false },
  { name: "unknown service", path: "/no.such.Service/Method", streams: false },
];

const REST_CALLS: readonly { readonly name: string; readonly path: string }[] = [
  { name: "send code", path: "/api/v1/public/auth/send-email-code" },
  { name: "confirm code", path: "/api/v1/public/auth/confirm-email-code" },
  { name: "unknown path", path: "/api/v1/public/auth/no-such-call" },
  { name: "keys", path: "/.well-known/jwks.json" },
];

/** All of them; of one entrance, where it is named. */
export function waysOf(entrance: Entrance): Way[] {
  const rpcs = CALLEES.flatMap((callee) =>
    PROTOCOLS.filter(
      ({ streams, needsTrailers }) => streams === callee.streams && (entrance.hasTrailers || !needsTrailers),
    ).flatMap((protocol) =>
      codecsOf(protocol).flatMap((codec) =>
        [undefined, ...ENCODINGS].map((encoding) => rpcWay(entrance, callee, protocol, codec, encoding)),
      ),
    ),
  );
  const rests = entrance.listener === "edge" ? REST_CALLS.map(({ name, path }) => restWay(entrance, name, path)) : [];
  return [...rpcs, ...rests];
}

function codecsOf({ isBase64 }: Protocol): readonly ("proto" | "json")[] {
  return isBase64 ? ["proto"] : ["proto", "json"];
}

function rpcWay(
  entrance: Entrance,
  { name: call, path }: Callee,
  { name, contentType, framed, encodingHeader, isBase64 = false }: Protocol,
  codec: "proto" | "json",
  encoding: Encoding | undefined,
): Way {
  return {
    name: `${entrance.name}, ${call}, ${name} ${codec} ${encoding ?? "identity"}`,
    entrance,
    call,
    path,
    contentType: contentType(codec),
    framed,
    isBase64,
    codec,
    encoding,
    encodingHeader,
  };
}

function restWay(entrance: Entrance, call: string, path: string): Way {
  return {
    name: `${entrance.name}, ${call}`,
    entrance,
    call,
    path,
    contentType: "application/json",
    framed: false,
    isBase64: false,
    codec: "rest",
    encoding: undefined,
    encodingHeader: "content-encoding",
  };
}

const CARRIES: Readonly<Record<Way["codec"], readonly Kind[]>> = {
  json: ["json", "head"],
  proto: ["proto", "head"],
  rest: ["rest", "head"],
};

/** Whether the way can carry the input. */
export function carries({ codec, encoding, isBase64 }: Way, { kind }: HostileInput): boolean {
  if (kind === "base64") return isBase64;
  return CARRIES[codec].includes(kind) || kind === encoding;
}

/** A request as a carrier sends it. */
export interface HostileRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer>;
}

export function requestOn(way: Way, input: HostileInput): HostileRequest {
  const encoding = way.encoding === undefined ? {} : { [way.encodingHeader]: way.encoding };
  return {
    path: way.path,
    headers: { "content-type": way.contentType, ...encoding, ...input.headers },
    body: Buffer.from(bodyOn(way, input)),
  };
}

function bodyOn(way: Way, input: HostileInput): Uint8Array | string {
  if (input.kind === "base64") return input.bytes;
  const message = messageOn(input, way.encoding);
  if (!way.framed) return message;
  const frame = encodeFrame(way.encoding === undefined ? 0 : FLAG_COMPRESSED, message);
  return way.isBase64 ? frame.toBase64() : frame;
}

/** Length of the body that the gateway has after it has decoded base64. */
export function decodedBytes({ isBase64 }: Way, { body }: HostileRequest): number {
  return isBase64 ? Math.floor(body.byteLength / 4) * 3 : body.byteLength;
}

/** What a client spends on it at the least: the names and values of its head, and its body. */
export function sentBytes({ path, headers, body }: HostileRequest): number {
  const fields = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
  return path.length + fields + body.byteLength;
}
