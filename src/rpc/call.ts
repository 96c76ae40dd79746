import { Code, ConnectError } from "@connectrpc/connect";
import type { CodecName } from "./codec.ts";
import type { HttpRequest } from "./http.ts";
import type { ProtocolName, ReplyMetadata } from "./protocol.ts";

/** Fields that a handler adds to the call's log line. */
export type CallNotes = Record<string, string | number | undefined>;

/** One call, as seen by its handler. Rarely used parts are created on first access. */
export class Call<Peer = unknown> {
  readonly request: HttpRequest<Peer>;
  readonly protocol: ProtocolName;
  readonly codec: CodecName;
  readonly notes: CallNotes = {};
  /** The greatest cost that reading the last message can have had (`decodingCost`). */
  cost = 0;
  /** Whether the guard has refused the peer. */
  isPeerRefused = false;
  /** The client's timeout in milliseconds. `undefined` if it set none, and before `startDeadline`. */
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

  /** Aborts when the client disconnects, or when its timeout has passed. */
  get signal(): AbortSignal {
    const disconnected = this.request.signal();
    return this.#deadline === undefined ? disconnected : AbortSignal.any([disconnected, this.#deadline]);
  }

  metadata(encoding?: string): ReplyMetadata {
    return { header: this.#header, trailer: this.#trailer, encoding };
  }

  /** Starts the client's timeout, if it set one. `onTimeout` is called if it passes before `finish`. */
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

  /** Stops the timeout. */
  finish(): void {
    clearTimeout(this.#timer);
  }
}
