import { CallEnd } from "./call-end.ts";
import { CallSlots } from "./call-slots.ts";
import { HttpFailure } from "./http-failure.ts";

export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface HttpClientOptions {
  /** Origin of the backend, with a path in front of every call's where it has one. http or https. */
  readonly url: string;
  /** Calls under way at once; see `CallSlots`. */
  readonly callsMax: number;
  readonly responseBytesMax: number;
  /** Sent as `Authorization: Bearer …`, where it is configured. */
  readonly token?: string | undefined;
}

export interface HttpCall {
  readonly method: HttpMethod;
  /** Path and query, encoded. */
  readonly target: string;
  readonly headers: Record<string, string>;
  /** JSON. */
  readonly body?: Uint8Array | string | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly retryAfter: string | undefined;
  readonly body: Uint8Array;
}

/** An answer is never compressed: a small body could otherwise unpack to any size. */
const OWN_HEADERS = { Accept: "application/json", "Accept-Encoding": "identity" };
const JSON_CONTENT = { "Content-Type": "application/json" };
/** RFC 6750 2.1: what a bearer token may consist of. */
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
/** How long an idle connection is kept. Below what backends keep theirs where possible, so that the gateway closes first. */
const KEEP_ALIVE_S = 4;

/**
 * Calls one backend over kept-alive connections of its own: no redirect is followed, no proxy of the environment is used, time and
 * answer are bounded. Gives the answer whatever its status, or throws an `HttpFailure`.
 */
export class HttpClient {
  readonly #base: string;
  readonly #slots: CallSlots;
  readonly #responseBytesMax: number;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #session = new Bun.FetchSession({ proxy: false, keepAlive: { idleTimeout: KEEP_ALIVE_S } });

  constructor(options: HttpClientOptions) {
    const { origin, pathname } = new URL(options.url);
    if (options.token !== undefined && !BEARER_TOKEN.test(options.token)) {
      throw new TypeError("the backend token is not a bearer token");
    }
    this.#base = origin + pathname.replace(/\/+$/, "");
    this.#slots = new CallSlots(options.callsMax);
    this.#responseBytesMax = options.responseBytesMax;
    this.#headers = options.token === undefined ? OWN_HEADERS : { ...OWN_HEADERS, Authorization: `Bearer ${options.token}` };
  }

  async call(call: HttpCall): Promise<HttpAnswer> {
    const end = new CallEnd(call.timeoutMs, call.signal);
    let bodyWasRead = false;
    try {
      const taken = this.#slots.take(end.signal);
      if (!(typeof taken === "boolean" ? taken : await taken)) throw new HttpFailure("unavailable", "too many calls under way");
      try {
        const answer = await this.#exchange(call, end.signal);
        bodyWasRead = true;
        return answer;
      } finally {
        this.#slots.release();
      }
    } catch (thrown) {
      throw end.explain(thrown);
    } finally {
      end.dispose(bodyWasRead);
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#session.close();
  }

  async #exchange(call: HttpCall, signal: AbortSignal): Promise<HttpAnswer> {
    const response = await this.#fetch(call, signal);
    const coding = response.headers.get("content-encoding");
    if (coding !== null && coding !== "identity") throw new HttpFailure("bad_response", `content-encoding ${coding}`);
    return {
      status: response.status,
      contentType: response.headers.get("content-type") ?? "",
      retryAfter: response.headers.get("retry-after") ?? undefined,
      body: await readBody(response, this.#responseBytesMax),
    };
  }

  /**
   * A kept-alive connection may close just as it is used: Bun then tries once more on a new one, for idempotent methods (RFC 9110
   * 9.2.2) alone.
   */
  #fetch(call: HttpCall, signal: AbortSignal): Promise<Response> {
    const contentType = call.body === undefined ? undefined : JSON_CONTENT;
    return this.#session.fetch(this.#base + call.target, {
      method: call.method,
      headers: { ...call.headers, ...this.#headers, ...contentType },
      body: call.body instanceof Uint8Array ? new Uint8Array(call.body) : call.body,
      redirect: "manual",
      decompress: false,
      signal,
    });
  }
}

/** The whole body, or a failure as soon as it is known to be longer than `bytesMax`. */
async function readBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  const length = response.headers.get("content-length");
  if (length !== null && Number(length) > bytesMax) throw tooLong(bytesMax);
  if (length !== null && !response.headers.has("transfer-encoding")) return response.bytes();
  return response.body === null ? new Uint8Array(0) : readStream(response.body, bytesMax);
}

async function readStream(stream: ReadableStream<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let byteLength = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, byteLength);
    byteLength += value.byteLength;
    if (byteLength > bytesMax) throw tooLong(bytesMax);
    chunks.push(value);
  }
}

function tooLong(bytesMax: number): HttpFailure {
  return new HttpFailure("bad_response", `the body is longer than ${bytesMax} bytes`);
}
