import type { EventCodec } from "../hub/sink.ts";
import { FRAME_HEADER_BYTES } from "../rpc/frame.ts";

/** The tag of `FetchEventsResponse.events`: field number 1, wire type 2 (length-delimited). */
const EVENTS_TAG = 0x0a;
const utf8 = new TextEncoder();
const JSON_START = utf8.encode('{"events":[');
const JSON_BETWEEN = utf8.encode(",");
const JSON_END = utf8.encode("]}");

/**
 * Encodes a `FetchEventsResponse` from events that are already encoded. So each event is signed and encoded only
 * once, and has the same bytes on streams and in polls.
 */
export function encodeFetchResponse(frames: readonly Uint8Array[], codec: EventCodec): Uint8Array {
  const events = frames.map((frame) => frame.subarray(FRAME_HEADER_BYTES));
  if (codec === "proto") return Buffer.concat(events.flatMap((event) => [eventHeader(event.byteLength), event]));
  const separated = events.flatMap((event, n) => (n === 0 ? [event] : [JSON_BETWEEN, event]));
  return Buffer.concat([JSON_START, ...separated, JSON_END]);
}

/** Returns the tag and the length of an event. The length is a base-128 varint. */
function eventHeader(byteLength: number): Uint8Array {
  const bytes = [EVENTS_TAG];
  let rest = byteLength;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
