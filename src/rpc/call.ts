import { Code, ConnectError } from "@connectrpc/connect";
import type { CodecName } from "./codec.ts";
import type { HttpRequest } from "./http.ts";
import type { ProtocolName, ReplyMetadata } from "./protocol.ts";

/** Fields that a handler adds to the log line of its call. */
export type CallNotes = Record<string, string | number | undefined>;

/** One call, as its handler sees it. Response headers and trailers are created on first use. */
export class Call<Peer = unknown> {
  readonly request: HttpRequest<Peer>;
  readonly protocol: ProtocolName;
  readonly codec: CodecName;
  /** Start of the call, in ms of `RpcOptions.clock.monotonic()`. */
  readonly startedAt: number;
  readonly notes: CallNotes = {};
  /** Maximum cost of decoding the last message, as a number of failures of the peer (see `decodingCost`). */
  cost = 0;
  /** True after the peer guard (`options.guard`) has refused the peer of this call. */
  isPeerRefused = false;
  /**
   * How long the handler waited for content to send, such as an event, in ms. The metric of call durations excludes this time.
   */
  waitedMs = 0;
  /**
   * The timeout that the client set, in ms. `undefined` if the client set no timeout, or if `startDeadline` was not called yet.
   */
  timeoutMs: number | undefined;
  #header: Headers | undefined;
  #trailer: Headers | undefined;
  #deadline: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(request: HttpRequest<Peer>, protocol: ProtocolName, codec: CodecName, startedAt: number) {
    this.request = request;
    this.protocol = protocol;
    this.codec = codec;
    this.startedAt = startedAt;
  }

  get peer(): Peer {
    return this.request.peer;
  }

  /** Response headers, which are sent before the first message. A handler may add headers. */
  get responseHeader(): Headers {
    this.#header ??= new Headers();
    return this.#header;
  }

  /** Response trailers, which are sent after the last message. A handler may add trailers. */
  get responseTrailer(): Headers {
    this.#trailer ??= new Headers();
    return this.#trailer;
  }

  /** A signal that aborts when the client disconnects or the client's timeout has passed. */
  get signal(): AbortSignal {
    const disconnected = this.request.signal();
    return this.#deadline === undefined ? disconnected : AbortSignal.any([disconnected, this.#deadline]);
  }

  metadata(encoding?: string): ReplyMetadata {
    return { header: this.#header, trailer: this.#trailer, encoding };
  }

  /**
   * Starts the timer of the client's timeout. Does nothing if `timeoutMs` is `undefined`. If the timer expires before `finish`
   * is called, calls `onTimeout`.
   */
  startDeadline(timeoutMs: number | undefined, onTimeout: (error: ConnectError) => void): void {
    this.timeoutMs = timeoutMs;
    if (timeoutMs === undefined) return;
    const controller = new AbortController();
    this.#deadline = controller.signal;
    this.#timer = setTimeout(() => {
      const error = new ConnectError("the client's timeout has passed", Code.DeadlineExceeded);
      controller.abort(error);
      onTimeout(error);
    }, timeoutMs);
  }

  /** Stops the timer of the client's timeout. */
  finish(): void {
    clearTimeout(this.#timer);
  }
}
