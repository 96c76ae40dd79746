import { codingsOf } from "../../core/content-coding.ts";
import type { SendCheck } from "../../core/ports.ts";
import { Refusal } from "../../core/refusal.ts";
import { CallCancellation } from "./call-cancellation.ts";
import { mayBeTruncated } from "./close-delimited.ts";
import { ConcurrencyLimiter } from "./concurrency-limiter.ts";
import { HttpFailure } from "./http-failure.ts";

export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface HttpClientOptions {
  /** Origin of the backend, with a path in front of every call's where it has one. http or https. */
  readonly url: string;
  /** Calls under way at once; see `ConcurrencyLimiter`. */
  readonly callsMax: number;
  readonly responseBytesMax: number;
  /** Sent as `Authorization: Bearer …`, where it is configured. */
  readonly token?: string | undefined;
}

export interface HttpCall {
  readonly method: HttpMethod;
  /** Path and query, encoded. */
  readonly target: string;
  /** The client adds its own to them. */
  readonly headers: Record<string, string>;
  /** JSON. */
  readonly body?: Uint8Array | string | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Asked when the call has its slot. A `Refusal` that it throws is thrown as it is. */
  readonly mayBeSent?: SendCheck | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

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
  readonly #slots: ConcurrencyLimiter;
  readonly #responseBytesMax: number;
  readonly #authorization: string | undefined;
  readonly #session = new Bun.FetchSession({ proxy: false, keepAlive: { idleTimeout: KEEP_ALIVE_S } });

  constructor(options: HttpClientOptions) {
    const { origin, pathname } = new URL(options.url);
    if (options.token !== undefined && !BEARER_TOKEN.test(options.token)) {
      throw new TypeError("the backend token is not a bearer token");
    }
    this.#base = origin + pathname.replace(/\/+$/, "");
    this.#slots = new ConcurrencyLimiter(options.callsMax);
    this.#responseBytesMax = options.responseBytesMax;
    this.#authorization = options.token === undefined ? undefined : `Bearer ${options.token}`;
  }

  async call(call: HttpCall): Promise<HttpAnswer> {
    const end = new CallCancellation(call.timeoutMs, call.signal);
    let bodyWasRead = false;
    try {
      const taken = this.#slots.take(end.signal);
      if (taken !== true && !(await taken)) throw new HttpFailure("unavailable", "too many calls under way");
      try {
        const asked = call.mayBeSent?.(taken !== true);
        if (asked !== undefined) await unlessAborted(asked, end.signal);
        const response = await this.#fetch(call, end.signal);
        const body = await readBody(response, this.#responseBytesMax);
        bodyWasRead = true;
        const answer = { status: response.status, headers: response.headers, body };
        if (isMeant(answer) && mayBeTruncated(answer)) throw new HttpFailure("unavailable", "the answer may have been cut");
        return answer;
      } finally {
        this.#slots.release();
      }
    } catch (thrown) {
      throw thrown instanceof Refusal ? thrown : end.explain(thrown);
    } finally {
      end.dispose(bodyWasRead);
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#session.close();
  }

  /**
   * A kept-alive connection may close just as it is used: Bun then tries once more on a new one, for idempotent methods (RFC 9110
   * 9.2.2) alone.
   */
  #fetch({ method, target, headers, body }: HttpCall, signal: AbortSignal): Promise<Response> {
    headers.Accept = "application/json";
    // An answer is never compressed: a small body could otherwise unpack to any size.
    headers["Accept-Encoding"] = "identity";
    if (this.#authorization !== undefined) headers.Authorization = this.#authorization;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    return this.#session.fetch(this.#base + target, {
      method,
      headers,
      body: body instanceof Uint8Array ? new Uint8Array(body) : body,
      redirect: "manual",
      decompress: false,
      signal,
    });
  }
}

/** Whether a status has a meaning to the caller, and with it the body; others are failures whatever they say. */
function isMeant({ status }: HttpAnswer): boolean {
  return (status >= 200 && status < 300) || (status >= 400 && status < 500);
}

/** The work, or the signal's reason as soon as it aborts. */
function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** The whole body, or a failure as soon as it is known to be longer than `bytesMax`. */
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
