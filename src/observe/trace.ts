import type { ContinueTrace } from "../core/ports.ts";
import { parseTracestate } from "./tracestate.ts";

/** W3C Trace Context (https://www.w3.org/TR/trace-context/), the `traceparent` header: read strictly, and continued. */

/** Where a request stands in a trace. */
export interface TraceContext {
  /** 32 lowercase hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** The caller's span: 16 lowercase hexadecimal digits, not all zero. */
  readonly parentId: string;
  readonly sampled: boolean;
}

/** Fills the array with random bytes, and returns it. */
export type RandomBytes = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array;

const SAMPLED = 0x01;
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const LENGTH_MAX = 256;

/** 3.2.2 and 4.3: version 00 is exactly this; of a later version the known fields count, ff is none. `undefined`: not valid. */
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
 * Makes the trace headers of the gateway's own call: a new span in the trace that the client's `traceparent` names, else in a new trace. A
 * new trace is marked as sampled, since a backend that follows its caller's decision would otherwise never record one. `tracestate` goes on
 * with the trace that it came with (3.3: not without a valid `traceparent`); a bad one is dropped, and the trace goes on.
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

/** Hexadecimal ids out of a pool: one call of the random source serves some hundred of them. Never all zero. */
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
