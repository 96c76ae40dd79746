import type { JsonValue } from "@bufbuild/protobuf";
import { parseJson, textMember } from "./json.ts";

/** JSON over HTTP, for login and the key set. Each call ends after 15 s and reads at most 64 KiB. */

/** The part of the global `fetch` that the client uses. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** An HTTP call failed, or its answer was not usable. */
export class RestError extends Error {
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number;
  /**
   * The `code` of the answer's JSON body, or `http_<status>` without one. `unreachable`: no answer within 15 s. `bad_answer`: a success whose
   * body was not as expected.
   */
  readonly code: string;
  /** How long to wait before a retry, in ms: the `Retry-After` field in seconds, if the answer has one. */
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
  /** Default: the global `fetch`. */
  readonly fetch?: Fetch | undefined;
  /** Ends the call; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 15_000;
/** Login answers have some hundred bytes, a key set a few thousand. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** Rejects with `RestError`, or with the reason of `signal`. */
export function getJson(url: string, options: RestOptions = {}): Promise<JsonValue> {
  return call(url, { method: "GET" }, options);
}

/** Rejects with `RestError`, or with the reason of `signal`. */
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
    // no-store: a cached key set would exceed its maximum age.
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

/** RFC 9110 10.2.3, delay-seconds only; the date form is ignored. */
function retryAfterMs(response: Response): number | undefined {
  const header = response.headers.get("retry-after");
  return header !== null && /^\d{1,9}$/.test(header) ? Number(header) * 1000 : undefined;
}
