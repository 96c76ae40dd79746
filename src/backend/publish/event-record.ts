import { crc32 } from "node:zlib";
import { parseJsonObject } from "../../core/json-body.ts";
import type { LoggedEvent } from "./event-log.ts";

export interface EventRecord extends LoggedEvent {
  /** The number of the event in the log. Numbers are consecutive, even across a restart. A skipped number shows a lost event. */
  readonly sequence: number;
  /** The Unix time at which the event was written, in ms. */
  readonly atMs: number;
}

const CRC_CHARS = 8;

/** Encodes one record as a line: a CRC-32 checksum, and a JSON array of the values. */
export function encodeRecord({ event, cursor, sequence, atMs }: EventRecord): string {
  const { userId, deviceSessionId, eventType, eventId, payloadBytes } = event;
  return encodeLine([sequence, atMs, cursor, userId, deviceSessionId, eventType, eventId, payloadBytes.toBase64()]);
}

export function encodeLine(value: unknown): string {
  const json = JSON.stringify(value);
  return `${checksum(json)} ${json}\n`;
}

/** Decodes one record. Returns `undefined` if the line is damaged. */
export function decodeRecord(line: string): EventRecord | undefined {
  const value = decodeLine(line);
  if (!Array.isArray(value) || value.length !== 8) return undefined;
  const [sequence, atMs, ...texts]: unknown[] = value;
  if (typeof sequence !== "number" || typeof atMs !== "number" || !texts.every((text) => typeof text === "string"))
    return undefined;
  const [cursor = "", userId = "", deviceSessionId = "", eventType = "", eventId = "", payload = ""] = texts;
  const payloadBytes = Buffer.from(payload, "base64");
  return { cursor, sequence, atMs, event: { userId, deviceSessionId, eventType, eventId, payloadBytes } };
}

/** Decodes a line from `encodeLine`. Returns `undefined` if the checksum or the JSON is wrong. */
export function decodeLine(line: string): unknown {
  const json = line.slice(CRC_CHARS + 1);
  if (line.slice(0, CRC_CHARS) !== checksum(json)) return undefined;
  return parseJsonObject(`{"value":${json}}`)?.["value"];
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(CRC_CHARS, "0");
}
