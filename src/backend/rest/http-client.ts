import type { SendCheck } from "../../core/backend.ts";
import { codingsOf } from "../../core/content-coding.ts";
import { Refusal } from "../../core/refusal.ts";
import { CallCancellation } from "./call-cancellation.ts";
import { ConcurrencyLimiter } from "./concurrency-limiter.ts";
import { HttpFailure } from "./http-failure.ts";
import { mayBeTruncated } from "./truncated-answer.ts";

export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface HttpClientOptions {
  /** The http or https URL of the backend. If it has a path, this path is put before the path of each call. */
  readonly url: string;
  /** Maximum number of concurrent calls; see `ConcurrencyLimiter`. */
  readonly callsMax: number;
  readonly responseBytesMax: number;
  /** The gateway's token for the backend. If set, it is sent to the backend as `Authorization: Bearer …`. */
  readonly token?: string | undefined;
}

export interface HttpCall {
  readonly method: HttpMethod;
  /** Path and query of the call, percent-encoded. */
  readonly target: string;
  /** Headers of the call. `HttpClient.call` adds its own headers to this object. */
  readonly headers: Record<string, string>;
  /** The body of the call, which is JSON text. */
  readonly body?: Uint8Array | string | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * Called immediately before the call is sent. If it throws a `Refusal`, the call is not sent, and `HttpClient.call` throws
   * this `Refusal`.
   */
  readonly mayBeSent?: SendCheck | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** The syntax of a bearer token (RFC 6750 2.1). */
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
/**
 * Time after which the gateway closes an idle connection, in seconds. Most backends wait longer, so the gateway closes first
 * and sends no request on a connection that the backend is closing.
 */
const KEEP_ALIVE_S = 4;

/**
 * Calls one backend over its own pool of persistent connections. Limits the duration of a call and the size of its answer. Does
 * not follow redirects, and ignores the environment variables that configure a proxy.
 */
export class HttpClient {
  readonly #base: string;
  readonly #limiter: ConcurrencyLimiter;
  readonly #responseBytesMax: number;
  readonly #authorization: string | undefined;
  readonly #session = new Bun.FetchSession({ proxy: false, keepAlive: { idleTimeout: KEEP_ALIVE_S } });

  constructor(options: HttpClientOptions) {
    const { origin, pathname } = new URL(options.url);
    if (options.token !== undefined && !BEARER_TOKEN.test(options.token)) {
      throw new TypeError("the backend token is not a bearer token");
    }
    this.#base = origin + pathname.replace(/\/+$/, "");
    this.#limiter = new ConcurrencyLimiter(options.callsMax);
    this.#responseBytesMax = options.responseBytesMax;
    this.#authorization = options.token === undefined ? undefined : `Bearer ${options.token}`;
  }

  /**
   * Sends a call and returns the answer with any HTTP status. Throws an `HttpFailure` if the call gets no usable answer, for
   * example after its timeout. Throws the `Refusal` of `mayBeSent`.
   */
  async call(call: HttpCall): Promise<HttpAnswer> {
    const cancellation = new CallCancellation(call.timeoutMs, call.signal);
    const { signal } = cancellation;
    let bodyWasRead = false;
    try {
      const acquired = this.#limiter.acquire(signal);
      if (acquired !== true && !(await acquired)) throw new HttpFailure("unavailable", "too many concurrent calls");
      try {
        const checking = call.mayBeSent?.(acquired !== true);
        if (checking !== undefined) await unlessAborted(checking, signal);
        const response = await this.#fetch(call, signal);
        const body = await readBody(response, this.#responseBytesMax);
        bodyWasRead = true;
        const answer = { status: response.status, headers: response.headers, body };
        if (isUsed(answer) && mayBeTruncated(answer)) throw new HttpFailure("unavailable", "the answer may be truncated");
        return answer;
      } finally {
        this.#limiter.release();
      }
    } catch (thrown) {
      throw thrown instanceof Refusal ? thrown : cancellation.toFailure(thrown);
    } finally {
      cancellation.dispose(bodyWasRead);
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#session.close();
  }

  /**
   * Sends the HTTP request. If the backend closes a reused connection during the request, Bun sends the request again on a new
   * connection. Bun does this only for idempotent methods (RFC 9110 9.2.2).
   */
  #fetch({ method, target, headers, body }: HttpCall, signal: AbortSignal): Promise<Response> {
    headers["Accept"] = "application/json";
    // The answer must be uncompressed, because a small compressed body could decompress to any size.
    headers["Accept-Encoding"] = "identity";
    if (this.#authorization !== undefined) headers["Authorization"] = this.#authorization;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    return this.#session.fetch(this.#base + target, {
      method,
      headers,
      body: body instanceof Uint8Array ? new Uint8Array(body) : (body ?? null),
      redirect: "manual",
      decompress: false,
      signal,
    });
  }
}

/**
 * Returns true for 2xx and 4xx: the gateway uses the body of such an answer. An answer with any other status is a failure, and
 * its body is ignored.
 */
export function isUsed({ status }: HttpAnswer): boolean {
  return (status >= 200 && status < 300) || (status >= 400 && status < 500);
}

/** Returns a promise with the same result as `work`. If the signal is aborted first, the promise rejects immediately. */
function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** Reads the whole body of a response. Throws an `HttpFailure` if the body is compressed or longer than `bytesMax`. */
function readBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  const { headers } = response;
  const [coding] = codingsOf(headers.get("content-encoding"));
  if (coding !== undefined) throw new HttpFailure("bad_response", `content-encoding ${coding}`);
  const length = headers.get("content-length");
  if (length !== null && Number(length) > bytesMax) throw tooLong(bytesMax);
  if (length !== null && !headers.has("transfer-encoding")) return response.bytes();
  return response.body === null ? Promise.resolve(new Uint8Array(0)) : readStream(response.body, bytesMax);
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
