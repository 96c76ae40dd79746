import { METHODS } from "node:http";
import { ChunkedBody, FramingError } from "./chunked-body.ts";
import { readHead } from "./http1-head.ts";

/** Where the gate lets requests through to, and who hears of those that it does not. */
export interface GateEnds {
  forward(bytes: Buffer): void;
  /** Answers in the server's place and closes. Called once, last. */
  refuse(status: 400 | 431 | 501): void;
}

/** As much as Bun.serve takes. */
const HEAD_BYTES_MAX = 16 * 1024;
const NO_BYTES: Buffer = Buffer.alloc(0);
const CR = 0x0d;
const LF = 0x0a;
const HEAD_END = "\r\n\r\n";
const LAST_CHUNK = Buffer.from("0\r\n\r\n");
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) [^ ]+ HTTP\/1\.[01]$/;
const KNOWN_METHODS: ReadonlySet<string> = new Set([...METHODS, "QUERY"]);

/**
 * Lets the requests of an HTTP/1.1 connection through one at a time, in the form that Bun.serve reads right:
 *
 * - The next request waits until the answer to this one is over. Bun closes the connection otherwise, and executes a request that it
 *   never answers (bun#38128).
 * - A chunked body loses its trailer section, as RFC 9112 7.1.2 allows. Bun takes it for the next request (bun#32887).
 * - A method that nobody knows is 501. Bun hangs up (bun#6556).
 *
 * What is not HTTP/1.1 at all goes through as it is: the server says so better.
 */
export class RequestGate {
  readonly #ends: GateEnds;
  #held: Buffer = NO_BYTES;
  /** Up to where what is held may go through. */
  #at = 0;
  #state: "head" | "body" | "trailers" | "answer" | "open" | "closed" = "head";
  /** Of the request under way: its method, what is left of its body, and whether its answer is over. */
  #method = "";
  #body: ChunkedBody | number = 0;
  #isAnswered = true;

  constructor(ends: GateEnds) {
    this.#ends = ends;
  }

  /** Of the request whose answer is awaited. */
  get method(): string {
    return this.#method;
  }

  /** Whether bytes wait for an answer to end; the client should send no more. */
  get isHolding(): boolean {
    return this.#state === "answer" && this.#held.byteLength > 0;
  }

  push(bytes: Buffer): void {
    if (this.#state === "closed") return;
    this.#held = this.#held.byteLength === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#advance();
  }

  /** The answer to the request under way is over. */
  answered(): void {
    this.#isAnswered = true;
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

  /** Whether there may be more to do. */
  #step(): boolean {
    switch (this.#state) {
      case "head":
        return this.#takeHead();
      case "body":
        return this.#takeBody();
      case "trailers":
        return this.#takeTrailers();
      case "open":
        this.#at = this.#held.byteLength;
        return false;
      default:
        return false;
    }
  }

  #takeHead(): boolean {
    this.#forward();
    // RFC 9112 2.2: an empty line before a request is passed over.
    while (this.#held[0] === CR && this.#held[1] === LF) this.#held = rest(this.#held, 2);
    const end = this.#held.indexOf(HEAD_END);
    if (end < 0) {
      if (this.#held.byteLength > HEAD_BYTES_MAX) this.#refuse(431);
      return false;
    }
    const { startLine, body } = readHead(this.#held.toString("latin1", 0, end));
    const [, method] = REQUEST_LINE.exec(startLine) ?? [];
    if (method === undefined) {
      this.#state = "open";
      return true;
    }
    if (!KNOWN_METHODS.has(method)) return this.#refuse(501);
    this.#method = method;
    this.#isAnswered = false;
    this.#body = body === "chunked" ? new ChunkedBody() : (body ?? 0);
    this.#at = end + HEAD_END.length;
    this.#state = "body";
    if (this.#body === 0) this.#ended();
    return true;
  }

  #takeBody(): boolean {
    if (this.#body instanceof ChunkedBody) {
      this.#at = this.#body.follow(this.#held, this.#at);
      if (this.#body.state !== "trailers") return false;
      this.#forward();
      this.#state = "trailers";
      return true;
    }
    const taken = Math.min(this.#body, this.#held.byteLength - this.#at);
    this.#body -= taken;
    this.#at += taken;
    if (this.#body === 0) this.#ended();
    return true;
  }

  #takeTrailers(): boolean {
    if (!(this.#body instanceof ChunkedBody)) return false;
    this.#held = rest(this.#held, this.#body.skipTrailers(this.#held, 0));
    if (this.#body.state !== "ended") return false;
    this.#ends.forward(LAST_CHUNK);
    this.#ended();
    return true;
  }

  #ended(): void {
    this.#state = this.#isAnswered ? "head" : "answer";
  }

  /** In one write, so that head and body are one read of the server. */
  #forward(): void {
    if (this.#at === 0) return;
    const part = this.#at === this.#held.byteLength ? this.#held : this.#held.subarray(0, this.#at);
    this.#held = rest(this.#held, this.#at);
    this.#at = 0;
    this.#ends.forward(part);
  }

  #refuse(status: 400 | 431 | 501): false {
    this.#state = "closed";
    this.#held = NO_BYTES;
    this.#at = 0;
    this.#ends.refuse(status);
    return false;
  }
}

/** What is behind `at`. Not a view where nothing is: what a quiet connection keeps must not hold the last read's memory. */
function rest(bytes: Buffer, at: number): Buffer {
  return at === bytes.byteLength ? NO_BYTES : bytes.subarray(at);
}
