import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "./call.ts";
import type { Codec } from "./codec.ts";
import { FrameReader } from "./frame-reader.ts";
import type { BodySource, HttpRequest, HttpStreamReply } from "./http.ts";
import { MESSAGES_PER_FAILURE } from "./limits.ts";
import type { Negotiated } from "./negotiate.ts";
import type { RpcOptions } from "./options.ts";
import { checkPeer } from "./peer-guard.ts";
import type { StreamProtocol } from "./protocol.ts";
import { receive } from "./receive.ts";
import type { ReadOptions } from "./request-message.ts";
import type { BidiStreamMethod } from "./service.ts";
import { serveStream } from "./stream-call.ts";

/**
 * Serves a bidirectional call. Over HTTP/2, requests and responses are sent concurrently. The end of the response ends the
 * call: remaining request messages are not read.
 *
 * The promise never rejects.
 */
export function serveBidiStream<Peer>(
  method: BidiStreamMethod<DescMessage, DescMessage, Peer>,
  negotiated: Negotiated<StreamProtocol>,
  request: HttpRequest<Peer>,
  options: RpcOptions<Peer>,
): Promise<HttpStreamReply> {
  const incoming = new IncomingStream(request.body(), method.input[negotiated.codec]);
  return serveStream(method, negotiated, request, options, {
    handle: async (call, stream, read) => {
      await method.handle(incoming.messages(read, chargedBy(call, options)), call, stream);
    },
    ended: (thrown) => incoming.abort(thrown),
  });
}

/** Runs a function that reads a message. If the function fails, charges the peer's failure budget. */
type ChargePeer = <T>(step: () => Promise<T>) => Promise<T>;

/**
 * Returns a `ChargePeer` that also charges one failure per `MESSAGES_PER_FAILURE` messages, because no other budget limits the
 * number of messages of a stream.
 */
function chargedBy<Peer>(call: Call<Peer>, options: RpcOptions<Peer>): ChargePeer {
  let messages = 0;
  return async (step) => {
    if (messages++ % MESSAGES_PER_FAILURE === MESSAGES_PER_FAILURE - 1) {
      checkPeer(call, 1, options.guard);
      await options.guard.charge(call.peer, 1);
    }
    return receive(call, options, step);
  };
}

/** The request messages of a bidirectional call. */
class IncomingStream<I extends DescMessage> {
  readonly #body: BodySource;
  readonly #decoder: Codec<I>;
  #endedBy: Error | undefined;

  constructor(body: BodySource, decoder: Codec<I>) {
    this.#body = body;
    this.#decoder = decoder;
  }

  async *messages(options: ReadOptions, charged: ChargePeer): AsyncGenerator<MessageShape<I>, void> {
    const frames = new FrameReader(this.#body, options);
    try {
      for (;;) {
        const message = await charged(() => this.#next(frames));
        if (this.#endedBy !== undefined) throw this.#endedBy;
        if (message === undefined) return;
        yield message;
      }
    } finally {
      this.#body.cancel();
    }
  }

  /**
   * Reads the next message. Returns `undefined` at the end of the body, and after `abort` was called. After `abort`, read
   * errors are ignored, because `abort` cancels the body.
   */
  async #next(frames: FrameReader): Promise<MessageShape<I> | undefined> {
    const bytes = await frames.next().catch((error) => {
      if (this.#endedBy === undefined) throw error;
    });
    return bytes === undefined || this.#endedBy !== undefined ? undefined : this.#decoder.decode(bytes);
  }

  /** Makes the iteration of `messages` throw. So a handler does not mistake an incomplete request for a complete request. */
  abort(thrown: unknown): void {
    this.#endedBy = thrown instanceof Error ? thrown : new ConnectError("the call has ended", Code.Canceled);
    this.#body.cancel();
  }
}
