import { ChunkedBody } from "./chunked-body.ts";
import { readHead } from "./http1-head.ts";

const HEAD_END = "\r\n\r\n";
/**
 * An empty buffer. It is used instead of an empty view of the received bytes, so that an idle connection does not keep the
 * memory of its last read.
 */
const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_CONTENT = 204;
const NOT_MODIFIED = 304;

/**
 * Parses the responses of an HTTP/1.1 server, and calls `onEnd` at the end of each response. The server belongs to the gateway,
 * so its responses are expected to be well-formed.
 */
export class ResponseTracker {
  /** Returns the method of the current request. It is needed because a response to HEAD has no body (RFC 9112 6.3). */
  readonly #method: () => string;
  readonly #onEnd: () => void;
  /** The bytes of an incomplete head, or of an incomplete line in a chunked body. */
  #head: Buffer = NO_BYTES;
  /**
   * The state of the current body:
   *
   * - a number: the number of bytes that are not read yet
   * - Infinity: the body ends when the connection closes
   * - a `ChunkedBody`: the body is chunked
   * - `undefined`: a head is being read
   */
  #body: ChunkedBody | number | undefined;

  constructor(method: () => string, onEnd: () => void) {
    this.#method = method;
    this.#onEnd = onEnd;
  }

  push(bytes: Buffer): void {
    let rest = bytes;
    while (rest.byteLength > 0) rest = this.#body === undefined ? this.#followHead(rest) : this.#followBody(rest, this.#body);
  }

  #followHead(bytes: Buffer): Buffer {
    const all = this.#head.byteLength === 0 ? bytes : Buffer.concat([this.#head, bytes]);
    const end = all.indexOf(HEAD_END);
    if (end < 0) {
      this.#head = all;
      return NO_BYTES;
    }
    this.#head = NO_BYTES;
    const { startLine, body = Number.POSITIVE_INFINITY } = readHead(all.toString("latin1", 0, end));
    const status = Number(startLine.split(" ", 2)[1]);
    const isInterim = status < 200;
    const isBodiless = status === NO_CONTENT || status === NOT_MODIFIED || this.#method() === "HEAD";
    if (!isInterim) this.#begin(isBodiless ? 0 : body);
    return all.subarray(end + HEAD_END.length);
  }

  #begin(body: "chunked" | number): void {
    this.#body = body === "chunked" ? new ChunkedBody("response") : body;
    if (body === 0) this.#end();
  }

  #followBody(bytes: Buffer, body: ChunkedBody | number): Buffer {
    if (typeof body === "number") {
      const taken = Math.min(body, bytes.byteLength);
      this.#body = body - taken;
      if (this.#body === 0) this.#end();
      return bytes.subarray(taken);
    }
    // `#head` also keeps an incomplete line of a chunked body until more bytes arrive.
    const all = this.#head.byteLength === 0 ? bytes : Buffer.concat([this.#head, bytes]);
    const at = body.skipTrailers(all, body.follow(all, 0));
    this.#head = at === all.byteLength || body.state === "ended" ? NO_BYTES : all.subarray(at);
    if (body.state !== "ended") return NO_BYTES;
    this.#end();
    return all.subarray(at);
  }

  #end(): void {
    this.#body = undefined;
    this.#onEnd();
  }
}
