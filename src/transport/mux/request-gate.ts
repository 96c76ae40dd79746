import { METHODS } from "node:http";
import { ChunkedBody, FramingError } from "./chunked-body.ts";
import { readHead } from "./http1-head.ts";

/** The output of a gate. */
export interface GateOutput {
  forward(bytes: Buffer): void;
  /** Sends an error response and closes the connection. Called at most once, as the last call. */
  refuse(status: 400 | 431 | 501): void;
  /** Closes the connection after the current response. Called at most once, as the last call. */
  close(): void;
}

/** The limit of Bun.serve. */
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
 * - The next request waits for the end of the current response. On a pipelined request, Bun closes the connection, and executes a
 *   request that it never answers (bun#38128).
 * - The trailer section of a chunked body is removed, as RFC 9112 7.1.2 allows. Bun parses it as the next request (bun#32887).
 * - A body in too many chunks is cut. Parsing each of them costs as much as if the server read it. The server answers what it received.
 * - An unknown method is answered with 501. Bun closes the connection (bun#6556).
 *
 * Bytes that are not HTTP/1.1 are forwarded unchanged; the server answers them.
 */
export class RequestGate {
  readonly #output: GateOutput;
  #held: Buffer = NO_BYTES;
  /** The bytes of `#held` before this position may be forwarded. */
  #at = 0;
  #state: "head" | "body" | "trailers" | "answer" | "cut" | "passthrough" | "closed" = "head";
  /** The current request: its method, the rest of its body, and whether its response has ended. */
  #method = "";
  #body: ChunkedBody | number = 0;
  #isAnswered = true;

  constructor(output: GateOutput) {
    this.#output = output;
  }

  /** The method of the request whose response is awaited. */
  get method(): string {
    return this.#method;
  }

  /** Whether the client should be paused until the end of a response. */
  get isHolding(): boolean {
    return this.#state === "cut" || (this.#state === "answer" && this.#held.byteLength > 0);
  }

  push(bytes: Buffer): void {
    if (this.#state === "closed" || this.#state === "cut") return;
    this.#held = this.#held.byteLength === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#advance();
  }

  /** The response to the current request has ended. */
  answered(): void {
    this.#isAnswered = true;
    if (this.#state === "cut") this.#close();
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

  /** Returns whether another step may be possible. */
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
    // RFC 9112 2.2: an empty line before a request is ignored.
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
      if (this.#body.state === "scattered") return this.#cut();
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

  /** Forwards in one write, so that the server reads head and body together. */
  #forward(): void {
    if (this.#at === 0) return;
    const part = this.#at === this.#held.byteLength ? this.#held : this.#held.subarray(0, this.#at);
    this.#held = rest(this.#held, this.#at);
    this.#at = 0;
    this.#output.forward(part);
  }

  /** Forwards what precedes the chunk that is one too many, and drops the rest of the connection. */
  #cut(): false {
    this.#forward();
    this.#held = NO_BYTES;
    this.#state = "cut";
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

/** The bytes from `at`. An empty rest is not a view: an idle connection must not keep the memory of its last read alive. */
function rest(bytes: Buffer, at: number): Buffer {
  return at === bytes.byteLength ? NO_BYTES : bytes.subarray(at);
}
