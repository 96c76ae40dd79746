import { Code, ConnectError } from "@connectrpc/connect";
import type { CodecName } from "./codec.ts";
import type { HttpRequest } from "./http.ts";
import type { ProtocolName, ReplyMetadata } from "./protocol.ts";

/** What a handler may say about its call for the one log line of it. */
export type CallNotes = Record<string, string | number | undefined>;

/** One call, as its handler sees it. What few handlers need is made when it is asked for. */
export class Call<Peer = unknown> {
  readonly request: HttpRequest<Peer>;
  readonly protocol: ProtocolName;
  readonly codec: CodecName;
  readonly notes: CallNotes = {};
  /** What the last message that was read may have cost (`decodingCost`). */
  cost = 0;
  /** The guard refused the peer. */
  isPeerRefused = false;
  /** The client's timeout in milliseconds, where it set one; known once `startDeadline` has been called. */
  timeoutMs: number | undefined;
  #header: Headers | undefined;
  #trailer: Headers | undefined;
  #deadline: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(request: HttpRequest<Peer>, protocol: ProtocolName, codec: CodecName) {
    this.request = request;
    this.protocol = protocol;
    this.codec = codec;
  }

  get peer(): Peer {
    return this.request.peer;
  }

  /** Headers to send before the first message. */
  get responseHeader(): Headers {
    this.#header ??= new Headers();
    return this.#header;
  }

  /** Trailers to send after the last message. */
  get responseTrailer(): Headers {
    this.#trailer ??= new Headers();
    return this.#trailer;
  }

  /** Aborts when the client is gone or its timeout has passed. */
  get signal(): AbortSignal {
    const gone = this.request.signal();
    return this.#deadline === undefined ? gone : AbortSignal.any([gone, this.#deadline]);
  }

  metadata(encoding?: string): ReplyMetadata {
    return { header: this.#header, trailer: this.#trailer, encoding };
  }

  /** Starts the clock on the client's timeout, where it set one; `onTimeout` is called when it has passed before `finish`. */
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

  /** Stops the clock. */
  finish(): void {
    clearTimeout(this.#timer);
  }
}
