import { METHODS } from "node:http";
import { ChunkedBody, FramingError } from "./chunked-body.ts";
import { readHead } from "./http1-head.ts";

/** The functions that a `RequestGate` calls. */
export interface GateOutput {
  forward(bytes: Buffer): void;
  /** Sends an error response and closes the connection. Called at most once. No other function is called after it. */
  refuse(status: 400 | 431 | 501): void;
  /** Closes the connection after the current response. Called at most once. No other function is called after it. */
  close(): void;
}

/** Maximum length of a request head, in bytes. Bun.serve has the same limit. */
const HEAD_BYTES_MAX = 16 * 1024;
const NO_BYTES: Buffer = Buffer.alloc(0);
const CR = 0x0d;
const LF = 0x0a;
const HEAD_END = "\r\n\r\n";
const LAST_CHUNK = Buffer.from("0\r\n\r\n");
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) [^ ]+ HTTP\/1\.[01]$/;
const KNOWN_METHODS: ReadonlySet<string> = new Set([...METHODS, "QUERY"]);

/**
 * Forwards the requests of an HTTP/1.1 connection one at a time, in a form that Bun.serve parses correctly:
 *
 * - The next request is forwarded only after the end of the current response. If a pipelined request reached Bun earlier, Bun
 *   would close the connection and execute a request without answering it (bun#38128).
 * - The trailer section of a chunked body is removed, as RFC 9112 7.1.2 allows. Bun would parse it as the next request
 *   (bun#32887).
 * - A body with too many chunks is truncated before the first chunk over the maximum number, because parsing many chunks is
 *   expensive. The server answers the truncated request, and then the connection is closed.
 * - A request with an unknown method is answered with 501. Bun would close the connection (bun#6556).
 *
 * Bytes that are not HTTP/1.1 are forwarded unchanged. The server answers them.
 */
export class RequestGate {
  readonly #output: GateOutput;
  /** Received bytes that are not forwarded yet. */
  #held: Buffer = NO_BYTES;
  /** The bytes of `#held` before this position are parsed and can be forwarded. */
  #at = 0;
  #state: "head" | "body" | "trailers" | "answer" | "truncated" | "passthrough" | "closed" = "head";
  #method = "";
  /** The body of the current request: a parser for a chunked body, otherwise the number of bytes that have not arrived yet. */
  #body: ChunkedBody | number = 0;
  /** Whether the response to the current request has ended. */
  #isAnswered = true;

  constructor(output: GateOutput) {
    this.#output = output;
  }

  get method(): string {
    return this.#method;
  }

  /** Whether the client must be paused until the current response ends. */
  get isHolding(): boolean {
    return this.#state === "truncated" || (this.#state === "answer" && this.#held.byteLength > 0);
  }

  push(bytes: Buffer): void {
    if (this.#state === "closed" || this.#state === "truncated") return;
    this.#held = this.#held.byteLength === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#advance();
  }

  /** Must be called when the response to the current request has ended. */
  answered(): void {
    this.#isAnswered = true;
    if (this.#state === "truncated") this.#close();
    if (this.#state !== "answer") return;
    this.#state = "head";
    this.#advance();
  }

  #advance(): void {
    try {
      while (this.#at < this.#held.byteLength && this.#step());
      this.#forward();
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.#refuse(400);
    }
  }

  /**
   * Parses the next part of the request: head, body or trailers. Returns true if the received bytes may contain another part.
   */
  #step(): boolean {
    switch (this.#state) {
      case "head":
        return this.#takeHead();
      case "body":
        return this.#takeBody();
      case "trailers":
        return this.#takeTrailers();
      case "passthrough":
        this.#at = this.#held.byteLength;
        return false;
      default:
        return false;
    }
  }

  #takeHead(): boolean {
    this.#forward();
    // Empty lines before a request are ignored (RFC 9112 2.2).
    while (this.#held[0] === CR && this.#held[1] === LF) this.#held = rest(this.#held, 2);
    const end = this.#held.indexOf(HEAD_END);
    if (end < 0) {
      if (this.#held.byteLength > HEAD_BYTES_MAX) this.#refuse(431);
      return false;
    }
    const { startLine, body } = readHead(this.#held.toString("latin1", 0, end));
    const [, method] = REQUEST_LINE.exec(startLine) ?? [];
    if (method === undefined) {
      this.#state = "passthrough";
      return true;
    }
    if (!KNOWN_METHODS.has(method)) return this.#refuse(501);
    this.#method = method;
    this.#isAnswered = false;
    this.#body = body === "chunked" ? new ChunkedBody("request") : (body ?? 0);
    this.#at = end + HEAD_END.length;
    this.#state = "body";
    if (this.#body === 0) this.#bodyEnded();
    return true;
  }

  #takeBody(): boolean {
    if (this.#body instanceof ChunkedBody) {
      this.#at = this.#body.follow(this.#held, this.#at);
      if (this.#body.state === "scattered") return this.#truncate();
      if (this.#body.state !== "trailers") return false;
      this.#forward();
      this.#state = "trailers";
      return true;
    }
    const taken = Math.min(this.#body, this.#held.byteLength - this.#at);
    this.#body -= taken;
    this.#at += taken;
    if (this.#body === 0) this.#bodyEnded();
    return true;
  }

  #takeTrailers(): boolean {
    if (!(this.#body instanceof ChunkedBody)) return false;
    this.#held = rest(this.#held, this.#body.skipTrailers(this.#held, 0));
    if (this.#body.state !== "ended") return false;
    this.#output.forward(LAST_CHUNK);
    this.#bodyEnded();
    return true;
  }

  #bodyEnded(): void {
    this.#state = this.#isAnswered ? "head" : "answer";
  }

  /** Forwards all parsed bytes in one write, so that the server reads head and body together. */
  #forward(): void {
    if (this.#at === 0) return;
    const part = this.#at === this.#held.byteLength ? this.#held : this.#held.subarray(0, this.#at);
    this.#held = rest(this.#held, this.#at);
    this.#at = 0;
    this.#output.forward(part);
  }

  /**
   * Truncates a body with too many chunks. Forwards the bytes before the first chunk over the maximum number, and discards all
   * later bytes of the connection.
   */
  #truncate(): false {
    this.#forward();
    this.#held = NO_BYTES;
    this.#state = "truncated";
    if (this.#isAnswered) this.#close();
    return false;
  }

  #close(): void {
    this.#state = "closed";
    this.#output.close();
  }

  #refuse(status: 400 | 431 | 501): false {
    this.#state = "closed";
    this.#held = NO_BYTES;
    this.#at = 0;
    this.#output.refuse(status);
    return false;
  }
}

/**
 * Returns the bytes from position `at` to the end. An empty result is a separate buffer, so that an idle connection does not
 * keep the memory of its last read.
 */
function rest(bytes: Buffer, at: number): Buffer {
  return at === bytes.byteLength ? NO_BYTES : bytes.subarray(at);
}
