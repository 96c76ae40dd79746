import type { JsonValue } from "@bufbuild/protobuf";
import { parseJson, textMember } from "./json.ts";

/** JSON calls over HTTP, for login and the key set. Each call takes at most 15 s and reads at most 64 KiB. */

/** The part of the global `fetch` that the client uses. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** An HTTP call failed, its answer has an error status, or the body is not as expected. */
export class RestError extends Error {
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number;
  /**
   * - The `code` in the JSON body of an error answer, or `http_<status>` if the body has none.
   * - `unreachable`: the server could not be reached, or did not answer within 15 s.
   * - `bad_answer`: the body of the answer is not as expected.
   */
  readonly code: string;
  /** How long to wait before a retry, in ms, from the `Retry-After` field; `undefined` if the answer has no such field. */
  readonly retryAfterMs: number | undefined;

  constructor(
    fields: { status: number; code: string; message: string; retryAfterMs?: number | undefined },
    options?: ErrorOptions,
  ) {
    super(fields.message, options);
    this.name = "RestError";
    this.status = fields.status;
    this.code = fields.code;
    this.retryAfterMs = fields.retryAfterMs;
  }
}

export interface RestOptions {
  /** Sends the HTTP requests. Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** Cancels the call. The call then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 15_000;
/** Maximum size of an answer. A login answer has a few hundred bytes. A key set has a few thousand bytes. */
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
  const { response, text } = await fetchText(url, init, options);
  const body = parseJson(text);
  if (!response.ok) throw errorOf(response, body);
  if (body === undefined) throw badAnswer(response.status, "the answer is not JSON");
  return body;
}

async function fetchText(url: string, init: RequestInit, options: RestOptions): Promise<{ response: Response; text: string }> {
  const send = options.fetch ?? ((input, rest) => fetch(input, rest));
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  try {
    // `no-store` disables the HTTP cache, because a cached key set can be older than its maximum age.
    const response = await send(url, { ...init, redirect: "error", cache: "no-store", signal });
    return { response, text: await boundedText(response) };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof RestError) throw error;
    throw new RestError({ status: 0, code: "unreachable", message: `no answer from ${url}` }, { cause: error });
  }
}

async function boundedText(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    bytes += read.value.byteLength;
    if (bytes > ANSWER_BYTES_MAX) {
      await reader?.cancel();
      throw badAnswer(response.status, `the answer exceeds ${ANSWER_BYTES_MAX} bytes`);
    }
    text += decoder.decode(read.value, { stream: true });
  }
  return text + decoder.decode();
}

function errorOf(response: Response, body: JsonValue | undefined): RestError {
  const { status } = response;
  const code = textMember(body, "code") ?? `http_${status}`;
  const message = textMember(body, "message") ?? `HTTP status ${status}`;
  return new RestError({ status, code, message, retryAfterMs: retryAfterMs(response) });
}

function badAnswer(status: number, message: string): RestError {
  return new RestError({ status, code: "bad_answer", message });
}

/**
 * Returns the delay in the `Retry-After` field (RFC 9110 10.2.3), in ms. Returns `undefined` if the field is missing or is a
 * date.
 */
function retryAfterMs(response: Response): number | undefined {
  const header = response.headers.get("retry-after");
  return header !== null && /^\d{1,9}$/.test(header) ? Number(header) * 1000 : undefined;
}
