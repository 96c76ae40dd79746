import type { SendCheck } from "../../core/backend.ts";
import { codingsOf } from "../../core/content-coding.ts";
import { HttpFailure } from "./http-failure.ts";

export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface HttpCall {
  readonly method: HttpMethod;
  /** Path and query of the call, percent-encoded. */
  readonly target: string;
  /** Headers of the call. `Connection.send` adds its own headers to this object. */
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array | string | undefined;
  /** Content-Type of the body. Default: JSON. */
  readonly contentType?: string | undefined;
  /** The Accept header. Default: JSON. */
  readonly accept?: string | undefined;
  readonly timeoutMs: number;
  /** Maximum size of the answer, in bytes. If the maximum of the pool is lower, the maximum of the pool applies. */
  readonly bytesMax?: number | undefined;
  /** Maximum number of repeats of the call. Default: `UpstreamSettings.retriesMax`. */
  readonly retriesMax?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether the call may be sent twice. Default: whether its method is idempotent (RFC 9110 9.2.2). */
  readonly isRepeatable?: boolean | undefined;
  /**
   * Called immediately before each attempt. If it throws a `Refusal`, the call is not sent, and `UpstreamPool.call` throws this
   * `Refusal`.
   */
  readonly mayBeSent?: SendCheck | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/**
 * Returns true for 2xx and 4xx: the gateway uses the body of such an answer. An answer with any other status is a failure, and
 * its body is ignored.
 */
export function isUsed({ status }: HttpAnswer): boolean {
  return (status >= 200 && status < 300) || (status >= 400 && status < 500);
}

/** Reads the whole body of a response. Throws an `HttpFailure` if the body is compressed or longer than `bytesMax`. */
export function readBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  const { headers } = response;
  const [coding] = codingsOf(headers.get("content-encoding"));
  if (coding !== undefined) throw ownFault(`the body is compressed: content-encoding ${coding}`);
  // Bun 1.4.5 decodes only the transfer coding `chunked`. A body with any other transfer coding is still encoded here.
  const transferCoding = codingsOf(headers.get("transfer-encoding")).find((name) => name !== "chunked");
  if (transferCoding !== undefined) throw ownFault(`the body is compressed: transfer-encoding ${transferCoding}`);
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

export function tooLong(bytesMax: number): HttpFailure {
  return ownFault(
    `the body is longer than ${bytesMax} bytes; for commands and public calls, response_bytes_max sets this limit`,
  );
}

/** Returns a failure that is not a fault of the address, because every other address would give the same answer. */
function ownFault(cause: string): HttpFailure {
  return new HttpFailure("bad_response", cause, { isFault: false });
}
