import type { JsonValue } from "@bufbuild/protobuf";
import { parseJson, textMember } from "./json.ts";

/** Plain HTTP calls of the client, each bounded in time and size. */

/** The part of `fetch` that is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** An HTTP call that gave no usable answer. */
export class RestError extends Error {
  /** The HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** The error's code in the answer's body; `http_<status>` or `unreachable` where there is none. */
  readonly code: string;
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

/** How a REST call is made. */
export interface RestOptions {
  readonly fetch?: Fetch | undefined;
  readonly signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 15_000;
/** The gateway's own answers take hundreds of bytes, a key set a few thousand. */
const ANSWER_BYTES_MAX = 64 * 1024;

export function getJson(url: string, options: RestOptions = {}): Promise<JsonValue> {
  return call(url, { method: "GET" }, options);
}

export function postJson(url: string, body: object, options: RestOptions = {}): Promise<JsonValue> {
  const headers = { "content-type": "application/json" };
  return call(url, { method: "POST", headers, body: JSON.stringify(body) }, options);
}

async function call(url: string, init: RequestInit, options: RestOptions): Promise<JsonValue> {
  const { response, text } = await exchange(url, init, options);
  const body = parseJson(text);
  if (!response.ok) throw refusedBy(response, body);
  if (body === undefined) throw unusable(response.status, "the answer is not JSON");
  return body;
}

async function exchange(url: string, init: RequestInit, options: RestOptions): Promise<{ response: Response; text: string }> {
  const send = options.fetch ?? ((input, rest) => fetch(input, rest));
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  try {
    // A key set may be five minutes old, and in a cache on the way it may be that already.
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
      throw unusable(response.status, `the answer exceeds ${ANSWER_BYTES_MAX} bytes`);
    }
    text += decoder.decode(read.value, { stream: true });
  }
  return text + decoder.decode();
}

function refusedBy(response: Response, body: JsonValue | undefined): RestError {
  const { status } = response;
  const code = textMember(body, "code") ?? `http_${status}`;
  const message = textMember(body, "message") ?? `HTTP status ${status}`;
  return new RestError({ status, code, message, retryAfterMs: retryAfterMs(response) });
}

function unusable(status: number, message: string): RestError {
  return new RestError({ status, code: "bad_answer", message });
}

/** RFC 9110 10.2.3, in its form of seconds. */
function retryAfterMs(response: Response): number | undefined {
  const header = response.headers.get("retry-after");
  return header !== null && /^\d{1,9}$/.test(header) ? Number(header) * 1000 : undefined;
}
