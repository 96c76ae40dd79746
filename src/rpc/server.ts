import { Code, ConnectError } from "@connectrpc/connect";
import { serveBidiStream } from "./bidi-stream.ts";
import type { HttpReply, HttpRequest, HttpStreamReply } from "./http.ts";
import { bidiStreamProtocols, serverStreamProtocols, unaryProtocols } from "./negotiate.ts";
import type { RpcOptions } from "./options.ts";
import { serveServerStream } from "./server-stream.ts";
import type { AnyMethod } from "./service.ts";
import { serveUnary } from "./unary.ts";

/**
 * Serves unary, server-streaming and bidirectional methods over Connect, gRPC-Web and gRPC. gRPC is served only on connections
 * that support trailers.
 */
export class RpcServer<Peer> {
  readonly #methods: ReadonlyMap<string, AnyMethod<Peer>>;
  #options: RpcOptions<Peer>;

  constructor(methods: readonly AnyMethod<Peer>[], options: RpcOptions<Peer>) {
    this.#methods = new Map(methods.map((method) => [method.path, method]));
    this.#options = options;
  }

  /** Uses another size limit for calls that start from now on. */
  adopt(options: Pick<RpcOptions<Peer>, "requestBytesMax">): void {
    this.#options = { ...this.#options, ...options };
  }

  /** The URL paths of all methods, in the form `/package.Service/Method`. */
  get paths(): readonly string[] {
    return [...this.#methods.keys()];
  }

  /** Answers a request. The promise never rejects. */
  async handle(request: HttpRequest<Peer>): Promise<HttpReply | HttpStreamReply> {
    const method = this.#methods.get(request.path);
    if (method === undefined) return unimplemented(request);
    if (request.method !== "POST") return empty(405, { allow: "POST" });
    if (method.kind === "unary") {
      const protocols = unaryProtocols(request);
      const negotiated = protocols.find(request.headers);
      if (negotiated === undefined) return empty(415, { "accept-post": protocols.acceptPost });
      return serveUnary(method, negotiated, request, this.#options);
    }
    const protocols = method.kind === "bidi_streaming" ? bidiStreamProtocols(request) : serverStreamProtocols(request);
    const negotiated = protocols.find(request.headers);
    if (negotiated === undefined) return empty(415, { "accept-post": protocols.acceptPost });
    return method.kind === "server_streaming"
      ? serveServerStream(method, negotiated, request, this.#options)
      : serveBidiStream(method, negotiated, request, this.#options);
  }
}

/**
 * Returns the response for an unknown method. If the content type selects a protocol, the response is the protocol's error
 * `unimplemented`. For any other content type, the response is a plain 404.
 */
function unimplemented(request: HttpRequest): HttpReply {
  const error = new ConnectError("no such method", Code.Unimplemented);
  const negotiated = unaryProtocols(request).find(request.headers);
  const metadata = { header: undefined, trailer: undefined, encoding: undefined };
  if (negotiated === undefined) return empty(404, {});
  const reply = negotiated.protocol.replyError(error, negotiated.codec, metadata);
  return negotiated.protocol.name === "connect" ? { ...reply, status: 404 } : reply;
}

function empty(status: number, headers: Record<string, string>): HttpReply {
  return { kind: "complete", status, headers, body: new Uint8Array(0) };
}
