import { ChunkedBody } from "./chunked-body.ts";
import { readHead } from "./http1-head.ts";

const HEAD_END = "\r\n\r\n";
/** Not a view: an idle connection must not keep the memory of its last read alive. */
const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_CONTENT = 204;
const NOT_MODIFIED = 304;

/** Parses the responses of an HTTP/1.1 server, and calls `onEnd` after each. The server is trusted to send well-formed responses. */
export class ResponseTracker {
  /** The method of the current request: a response to HEAD has no body (RFC 9112 6.3). */
  readonly #method: () => string;
  readonly #onEnd: () => void;
  #head: Buffer = NO_BYTES;
  /** `undefined`: reading a head. Infinity: the body ends with the connection. */
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
    // An incomplete line is kept until the rest arrives.
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
