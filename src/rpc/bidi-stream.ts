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
 * One bidirectional call. Both directions flow at the same time where the connection lets them, as HTTP/2 does; the call is over
 * when its answer has ended, and then the requests end too. Never rejects.
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

/** Runs what reads a message, and charges the peer where it fails. */
type Charged = <T>(step: () => Promise<T>) => Promise<T>;

/** Charges for many messages as for one failure, too: each is answered before any budget is asked. */
function chargedBy<Peer>(call: Call<Peer>, options: RpcOptions<Peer>): Charged {
  let messages = 0;
  return async (step) => {
    if (messages++ % MESSAGES_PER_FAILURE === MESSAGES_PER_FAILURE - 1) {
      checkPeer(call, 1, options.guard);
      await options.guard.charge(call.peer, 1);
    }
    return receive(call, options, step);
  };
}

/** The requests of a call, as its handler reads them. */
class IncomingStream<I extends DescMessage> {
  readonly #body: BodySource;
  readonly #decoder: Codec<I>;
  #over: Error | undefined;

  constructor(body: BodySource, decoder: Codec<I>) {
    this.#body = body;
    this.#decoder = decoder;
  }

  async *messages(options: ReadOptions, charged: Charged): AsyncGenerator<MessageShape<I>, void> {
    const frames = new FrameReader(this.#body, options);
    try {
      for (;;) {
        const message = await charged(() => this.#next(frames));
        if (this.#over !== undefined) throw this.#over;
        if (message === undefined) return;
        yield message;
      }
    } finally {
      this.#body.cancel();
    }
  }

  /** `undefined` also where the call is over: a body that was cut off by that fails for no other reason. */
  async #next(frames: FrameReader): Promise<MessageShape<I> | undefined> {
    const bytes = await frames.next().catch((error) => {
      if (this.#over === undefined) throw error;
    });
    return bytes === undefined || this.#over !== undefined ? undefined : this.#decoder.decode(bytes);
  }

  /** The call is over. To throw, rather than to end as if the client had said everything, keeps half a request from being taken for one. */
  abort(thrown: unknown): void {
    this.#over = thrown instanceof Error ? thrown : new ConnectError("the call has ended", Code.Canceled);
    this.#body.cancel();
  }
}
