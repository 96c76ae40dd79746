import type { ContinueTrace } from "../core/backend.ts";
import { parseTracestate } from "./tracestate.ts";

/** The parsed `traceparent` header of a request (W3C Trace Context, https://www.w3.org/TR/trace-context/). */
export interface TraceContext {
  /** The id of the trace: 32 lowercase hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** The id of the caller's span: 16 lowercase hexadecimal digits, not all zero. */
  readonly parentId: string;
  readonly sampled: boolean;
}

/** Fills the array with random bytes and returns it. */
export type RandomBytes = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array;

const SAMPLED = 0x01;
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const LENGTH_MAX = 256;

/**
 * Parses a `traceparent` header (W3C Trace Context 3.2.2 and 4.3). Returns `undefined` if the header is invalid.
 *
 * - Version 00: a header with additional fields is invalid.
 * - Later versions: additional fields are ignored.
 * - Version ff is invalid.
 */
export function parseTraceparent(header: string | undefined): TraceContext | undefined {
  if (header === undefined || header.length > LENGTH_MAX) return undefined;
  const [, version, traceId, parentId, flags, rest] = TRACEPARENT.exec(header) ?? [];
  if (version === undefined || traceId === undefined || parentId === undefined || flags === undefined) return undefined;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 };
}

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/**
 * Returns a function that creates the trace headers of a backend call.
 *
 * - If the client sent a valid `traceparent`, the backend call is a new span in the client's trace. A valid `tracestate` is
 *   passed on (W3C Trace Context 3.3).
 * - Otherwise, the backend call starts a new trace. The new trace is marked as sampled, because backends with parent-based
 *   sampling record only sampled traces.
 */
export function continueTraces(random: RandomBytes = (bytes) => crypto.getRandomValues(bytes)): ContinueTrace {
  const hex = hexFrom(random);
  return ({ traceparent, tracestate }) => {
    const context = parseTraceparent(traceparent);
    const flags = context === undefined || context.sampled ? "01" : "00";
    return {
      traceparent: `00-${context?.traceId ?? hex(TRACE_ID_BYTES)}-${hex(SPAN_ID_BYTES)}-${flags}`,
      tracestate: context && parseTracestate(tracestate),
    };
  };
}

const POOL_BYTES = 4096;

/**
 * Returns a function that creates hexadecimal ids. An id is never all zero. One call of `random` suffices for hundreds of ids.
 */
function hexFrom(random: RandomBytes): (length: number) => string {
  const pool = Buffer.alloc(POOL_BYTES);
  let at = POOL_BYTES;
  return (length) => {
    if (at + length > POOL_BYTES) {
      random(pool);
      at = 0;
    }
    const hex = pool.toString("hex", at, at + length);
    at += length;
    return /[1-9a-f]/.test(hex) ? hex : `${hex.slice(1)}1`;
  };
}
