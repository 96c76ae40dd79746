import { create, type DescMessage, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import type { SignedRequest } from "../../src/client/request-signer.ts";
import { ExecuteCommandRequestSchema, SubscribeEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame } from "../../src/rpc/frame.ts";
import { piecesOf } from "../support/grpc-web-text.ts";
import type { Answer } from "./carriers.ts";

const EXECUTE = "/sallyport.v1.Gateway/ExecuteCommand";
const SUBSCRIBE = "/sallyport.v1.Gateway/SubscribeEvents";

type Check = (answer: Answer) => string | undefined;

/** An endpoint in one protocol and codec: its valid request and the check of its answers. */
export interface Entry {
  readonly name: string;
  readonly path: string;
  readonly contentType: string;
  readonly valid: (sign: Sign) => Promise<Uint8Array>;
  /** Returns what is wrong with an answer, or `undefined`. */
  readonly check: Check;
  /** gRPC needs trailers, which not every listener has. */
  readonly isGrpc?: boolean;
}

/** Signs a valid request of this message type. */
export type Sign = (messageType: string) => Promise<SignedRequest>;

const utf8 = new TextEncoder();
const text = (body: Uint8Array) => new TextDecoder().decode(body);

/** A Connect error, or a signed answer, because a mutation may leave a request valid. */
const connectUnary: Check = ({ status, body }) => {
  if (status === 200) return undefined;
  const { code, message }: { code?: unknown; message?: unknown } = JSON.parse(text(body));
  if (typeof code !== "string" || typeof message !== "string") return `not a Connect error: ${text(body)}`;
  return code === "internal" || code === "unknown" ? `${code}: ${message}` : undefined;
};

/** Complete frames, the last of them an end of stream. */
const framed =
  (isEnd: (flags: number) => boolean, bad: RegExp): Check =>
  ({ status, body }) => {
    if (status !== 200) return `status ${status}`;
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    let last = -1;
    let from = 0;
    while (from < body.byteLength) {
      last = view.getUint8(from);
      from += 5 + view.getUint32(from + 1);
    }
    if (from !== body.byteLength || !isEnd(last)) return "the frames do not end";
    return bad.test(text(body)) ? text(body) : undefined;
  };

/** The same in padded pieces of base64. */
const inBase64 =
  (check: Check): Check =>
  (answer) =>
    check(answer.status === 200 ? { ...answer, body: piecesOf(text(answer.body)) } : answer);

const connectStream = framed((flags) => flags === 2, /"code":"(unknown|internal)","message":"an internal/);
const grpcWeb = framed((flags) => flags === 0x80, /grpc-status: ?2\b|INTERNAL|an%20internal/);

const grpc: Check = ({ status, trailers }) => {
  const grpcStatus = trailers["grpc-status"];
  if (status !== 200 || grpcStatus === undefined) return `status ${status}, trailers ${JSON.stringify(trailers)}`;
  const isFault = grpcStatus === "2" || /an internal/.test(decodeURIComponent(trailers["grpc-message"] ?? ""));
  return isFault ? JSON.stringify(trailers) : undefined;
};

const publicRest: Check = ({ status, body }) => {
  const { code }: { code?: unknown } = JSON.parse(text(body));
  if (status === 200) return undefined;
  return typeof code === "string" && status < 500 ? undefined : `${status} ${text(body)}`;
};

const proto = async <Desc extends DescMessage>(desc: Desc, init: Promise<MessageInitShape<Desc>>) =>
  toBinary(desc, create(desc, await init));
const json = async <Desc extends DescMessage>(desc: Desc, init: Promise<MessageInitShape<Desc>>) =>
  utf8.encode(toJsonString(desc, create(desc, await init)));
const command = (sign: Sign) => sign("user.profile.get");
// With an invalid signature, so that no stream opens and every answer ends.
const subscription = async (sign: Sign) => ({ ...(await sign("gateway.subscribe")), signature: new Uint8Array(64) });

const commandProto = (sign: Sign) => proto(ExecuteCommandRequestSchema, command(sign));
const commandJson = (sign: Sign) => json(ExecuteCommandRequestSchema, command(sign));
const subscriptionProto = (sign: Sign) => proto(SubscribeEventsRequestSchema, subscription(sign));
const subscriptionJson = (sign: Sign) => json(SubscribeEventsRequestSchema, subscription(sign));
const inFrame = (message: (sign: Sign) => Promise<Uint8Array>) => async (sign: Sign) => encodeFrame(0, await message(sign));

/** Base points (RFC 8032 5.1; SEC 2 2.4.2). */
const ES256_KEY = Buffer.from(
  "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
  "hex",
).toString("base64");
const KEY = Buffer.from(`58${"66".repeat(31)}`, "hex").toString("base64");

export const ENTRIES: readonly Entry[] = [
  { name: "Connect proto, unary", path: EXECUTE, contentType: "application/proto", valid: commandProto, check: connectUnary },
  { name: "Connect JSON, unary", path: EXECUTE, contentType: "application/json", valid: commandJson, check: connectUnary },
  {
    name: "Connect proto, stream",
    path: SUBSCRIBE,
    contentType: "application/connect+proto",
    valid: inFrame(subscriptionProto),
    check: connectStream,
  },
  {
    name: "Connect JSON, stream",
    path: SUBSCRIBE,
    contentType: "application/connect+json",
    valid: inFrame(subscriptionJson),
    check: connectStream,
  },
  {
    name: "gRPC-Web proto, unary",
    path: EXECUTE,
    contentType: "application/grpc-web+proto",
    valid: inFrame(commandProto),
    check: grpcWeb,
  },
  {
    name: "gRPC-Web JSON, stream",
    path: SUBSCRIBE,
    contentType: "application/grpc-web+json",
    valid: inFrame(subscriptionJson),
    check: grpcWeb,
  },
  {
    name: "gRPC-Web text, unary",
    path: EXECUTE,
    contentType: "application/grpc-web-text",
    valid: async (sign) => utf8.encode((await inFrame(commandProto)(sign)).toBase64()),
    check: inBase64(grpcWeb),
  },
  {
    name: "gRPC-Web text, stream",
    path: SUBSCRIBE,
    contentType: "application/grpc-web-text+proto",
    valid: async (sign) => utf8.encode((await inFrame(subscriptionProto)(sign)).toBase64()),
    check: inBase64(grpcWeb),
  },
  {
    name: "gRPC proto, unary",
    path: EXECUTE,
    contentType: "application/grpc",
    valid: inFrame(commandProto),
    check: grpc,
    isGrpc: true,
  },
  {
    name: "gRPC JSON, stream",
    path: SUBSCRIBE,
    contentType: "application/grpc+json",
    valid: inFrame(subscriptionJson),
    check: grpc,
    isGrpc: true,
  },
  {
    name: "public REST, send",
    path: "/api/v1/public/auth/send-email-code",
    contentType: "application/json",
    valid: async () => utf8.encode('{"email":"ada@example.com","metadata":{"device":"phone"}}'),
    check: publicRest,
  },
  {
    name: "public REST, confirm",
    path: "/api/v1/public/auth/confirm-email-code",
    contentType: "application/json",
    valid: async () => utf8.encode(`{"challenge_id":"c-1","code":"123456","client_public_key":"${KEY}"}`),
    check: publicRest,
  },
  {
    name: "public REST, confirm with ES256",
    path: "/api/v1/public/auth/confirm-email-code",
    contentType: "application/json",
    valid: async () =>
      utf8.encode(`{"challenge_id":"c-1","code":"123456","client_public_key":"${ES256_KEY}","client_key_algorithm":"ES256"}`),
    check: publicRest,
  },
];
