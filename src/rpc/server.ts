import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { Clock } from "../core/clock.ts";
import type { Call } from "./call.ts";
import type { CodecName } from "./codec.ts";
import type { HttpReply, HttpRequest, HttpStreamReply } from "./http.ts";
import { ACCEPT_POST_STREAM, ACCEPT_POST_UNARY, negotiateStream, negotiateUnary } from "./negotiate.ts";
import type { ProtocolName } from "./protocol.ts";
import { serveServerStream } from "./server-stream.ts";
import type { AnyMethod } from "./service.ts";
import { serveUnary } from "./unary.ts";

/** How one call went, told once, when it is over. */
export interface CallSummary<Peer> {
  /** The method's name, without its service. */
  readonly method: string;
  readonly protocol: ProtocolName;
  readonly codec: CodecName;
  readonly request: HttpRequest<Peer>;
  readonly call: Call<Peer>;
  /** What ended the call, where it did not succeed: a Refusal, a ConnectError, or something unexpected. */
  readonly thrown: unknown;
  /** On the options' monotonic clock. */
  readonly startedAt: number;
}

/** Everything is explicit; nothing has a default that somebody could forget. */
export interface RpcOptions<Peer> {
  /** The longest message that a client may send, as sent and as unpacked. */
  readonly requestBytesMax: number;
  /** Which compressions are spoken, in the order of preference. */
  readonly compressions: readonly Compression[];
  /** Shorter answers are sent as they are. */
  readonly compressBytesMin: number;
  readonly clock: Clock;
  readonly onDone: (summary: CallSummary<Peer>) => void;
}

/** A server of unary and server-streaming methods over Connect and gRPC-Web. */
export class RpcServer<Peer> {
  readonly #methods: ReadonlyMap<string, AnyMethod<Peer>>;
  readonly #options: RpcOptions<Peer>;

  constructor(methods: readonly AnyMethod<Peer>[], options: RpcOptions<Peer>) {
    this.#methods = new Map(methods.map((method) => [method.path, method]));
    this.#options = options;
  }

  /** Every path that is served, for the host's routes. */
  get paths(): readonly string[] {
    return [...this.#methods.keys()];
  }

  /** Answers a request. Never rejects. */
  async handle(request: HttpRequest<Peer>): Promise<HttpReply | HttpStreamReply> {
    const method = this.#methods.get(request.path);
    if (method === undefined) return unimplemented(request);
    if (request.method !== "POST") return empty(405, { allow: "POST" });
    const contentType = request.headers.get("content-type");
    if (method.kind === "unary") {
      const negotiated = negotiateUnary(contentType);
      if (negotiated === undefined) return empty(415, { "accept-post": ACCEPT_POST_UNARY });
      return serveUnary(method, negotiated, request, this.#options);
    }
    const negotiated = negotiateStream(contentType);
    if (negotiated === undefined) return empty(415, { "accept-post": ACCEPT_POST_STREAM });
    return serveServerStream(method, negotiated, request, this.#options);
  }
}

/** A method that nobody serves, said in the protocol of the request where it can be told, else in Connect's. */
function unimplemented(request: HttpRequest): HttpReply {
  const error = new ConnectError("no such method", Code.Unimplemented);
  const negotiated = negotiateUnary(request.headers.get("content-type"));
  const metadata = { header: undefined, trailer: undefined, encoding: undefined };
  if (negotiated === undefined) return empty(404, {});
  const reply = negotiated.protocol.replyError(error, negotiated.codec, metadata);
  return negotiated.protocol.name === "connect" ? { ...reply, status: 404 } : reply;
}

function empty(status: number, headers: Record<string, string>): HttpReply {
  return { kind: "complete", status, headers, body: new Uint8Array(0) };
}
