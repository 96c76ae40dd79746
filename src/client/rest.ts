import type { JsonValue } from "@bufbuild/protobuf";
import { readBody } from "./body.ts";
import { SallyportError } from "./errors.ts";
import { parseJson, textMember } from "./json.ts";
import { linkSignals, timeoutSignal } from "./linked-signal.ts";
import { retryAfterMs } from "./retry-after.ts";
import { whyFetchFailed } from "./why-fetch-failed.ts";

/** JSON calls over HTTP, for login and the key set. Each call has a timeout and reads at most 64 KiB. */

/** The part of the global `fetch` that the client uses. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * The error of an HTTP call: no answer arrived, the answer has an error status, or its body cannot be used. Its `code` is one
 * of these:
 * - The `code` in the JSON body of an error answer, or `http_<status>` if the body has none.
 * - `unreachable`: the server could not be reached, or did not answer in time.
 * - `bad_answer`: the body is not JSON, exceeds 64 KiB, or lacks a required member.
 *
 * `retryAfterMs` is the delay in the `Retry-After` field of the answer.
 */
export class RestError extends SallyportError {
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number;

  constructor(
    fields: { status: number; code: string; message: string; retryAfterMs?: number | undefined },
    options?: ErrorOptions,
  ) {
    const { status, code, message, retryAfterMs } = fields;
    super(message, { code, retryAfterMs, retryable: isRetryable(status) }, options);
    this.name = "RestError";
    this.status = status;
  }
}

/** Returns true if the failure may be temporary: no answer, 408, 429, or 5xx except 501 (not implemented). */
function isRetryable(status: number): boolean {
  return status === 0 || status === 408 || status === 429 || (status >= 500 && status !== 501);
}

export interface RestOptions {
  /** Sends the HTTP requests. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** Cancels the call. The call then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Timeout of the call, in ms. The call then rejects with a `RestError` of code `unreachable`. Default: 15,000. */
  readonly timeoutMs?: number | undefined;
}

const TIMEOUT_MS = 15_000;
/** Maximum size of an answer, in bytes. A login answer has a few hundred bytes. A key set has a few thousand bytes. */
const ANSWER_BYTES_MAX = 64 * 1024;

/**
 * Sends a GET request and resolves to the JSON body of the answer. Rejects with `RestError`, or with the abort reason of
 * `signal`.
 */
export function getJson(url: string, options: RestOptions = {}): Promise<JsonValue> {
  return call(url, { method: "GET" }, options);
}

/** Sends a JSON body by POST and resolves to the JSON body of the answer. Rejects like `getJson`. */
export function postJson(url: string, body: object, options: RestOptions = {}): Promise<JsonValue> {
  const headers = { "content-type": "application/json" };
  return call(url, { method: "POST", headers, body: JSON.stringify(body) }, options);
}

async function call(url: string, init: RequestInit, options: RestOptions): Promise<JsonValue> {
  const { response, bytes } = await exchange(url, init, options);
  if (bytes === undefined) throw badAnswer(response.status, `the answer exceeds ${ANSWER_BYTES_MAX} bytes`);
  const body = parseJson(new TextDecoder().decode(bytes));
  if (!response.ok) throw errorOf(response, body);
  if (body === undefined) throw badAnswer(response.status, "the answer is not JSON");
  return body;
}

async function exchange(
  url: string,
  init: RequestInit,
  options: RestOptions,
): Promise<{ response: Response; bytes: Uint8Array | undefined }> {
  const send = options.fetch ?? ((input, rest) => fetch(input, rest));
  const timeout = timeoutSignal(options.timeoutMs ?? TIMEOUT_MS);
  const { signal, unlink } = linkSignals(options.signal, timeout.signal);
  try {
    // `no-store` disables the HTTP cache, because a cached key set can be older than its maximum age.
    const response = await send(url, { ...init, redirect: "error", cache: "no-store", signal });
    return { response, bytes: await readBody(response, ANSWER_BYTES_MAX) };
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason ?? error;
    throw new RestError(
      { status: 0, code: "unreachable", message: `no answer from ${url}${whyFetchFailed(error)}` },
      { cause: error },
    );
  } finally {
    timeout.stop();
    unlink();
  }
}

function errorOf(response: Response, body: JsonValue | undefined): RestError {
  const { status } = response;
  const code = textMember(body, "code") ?? `http_${status}`;
  const message = textMember(body, "message") ?? `HTTP status ${status}`;
  return new RestError({ status, code, message, retryAfterMs: retryAfterMs(response.headers) });
}

function badAnswer(status: number, message: string): RestError {
  return new RestError({ status, code: "bad_answer", message });
}
