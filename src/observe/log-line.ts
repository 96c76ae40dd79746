import type { LogFields } from "../core/ports.ts";

export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];
export type LogFormat = "json" | "pretty";

/** One log line, without its end. `time` is ISO 8601 in UTC. */
export type LineFormatter = (time: string, level: Level, message: string, fields: LogFields | undefined) => string;

/** A value longer than this is cut: a line stays a line, whatever a client or a backend put into it. */
const VALUE_CHARS_MAX = 4096;

/** `{"time":…,"level":…,"msg":…,…fields}`. A field cannot take the place of the first three, and what is undefined is left out. */
const jsonLine: LineFormatter = (time, level, message, fields) => {
  const safe = fields !== undefined && hasReserved(fields) ? withoutReserved(fields) : fields;
  const head = `{"time":"${time}","level":"${level}","msg":${JSON.stringify(clip(message))}`;
  const members = safe === undefined ? "{}" : clippedJson(safe);
  return escapeUnsafe(members === "{}" ? `${head}}` : `${head},${members.slice(1)}`);
};

/** `12:00:00.000 INFO  message name=value`, for people at a terminal. */
const prettyLine: LineFormatter = (time, level, message, fields) => {
  let line = `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${plainOrQuoted(message, /^[^"\\]*$/)}`;
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined) line += ` ${name}=${plainOrQuoted(String(value), /^[^\s"\\=]+$/)}`;
  }
  return line;
};

export const FORMATTERS: Readonly<Record<LogFormat, LineFormatter>> = { json: jsonLine, pretty: prettyLine };

function hasReserved(fields: LogFields): boolean {
  return "time" in fields || "level" in fields || "msg" in fields;
}

function withoutReserved({ time, level, msg, ...others }: LogFields): LogFields {
  return { ...others, field_time: time, field_level: level, field_msg: msg };
}

function plainOrQuoted(text: string, plain: RegExp): string {
  return text.length <= VALUE_CHARS_MAX && plain.test(text) && !UNSAFE.test(text) ? text : quoted(text);
}

/** What could end a line or steer a terminal: control characters (C0, DEL, C1) and the line separators of Unicode. */
const UNSAFE = /[\p{Cc}\u2028\u2029]/u;
/** Those of them that JSON leaves as they are. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u2028\u2029]/;
const EVERY_UNSAFE_IN_JSON = new RegExp(UNSAFE_IN_JSON, "g");

function quoted(text: string): string {
  return escapeUnsafe(JSON.stringify(clip(text)));
}

function clip(text: string): string {
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}…` : text;
}

function clippedJson(fields: LogFields): string {
  const json = JSON.stringify(fields);
  return json.length <= VALUE_CHARS_MAX ? json : JSON.stringify(fields, clipValue);
}

function clipValue(_name: string, value: unknown): unknown {
  return typeof value === "string" ? clip(value) : value;
}

function escapeUnsafe(json: string): string {
  return UNSAFE_IN_JSON.test(json) ? json.replace(EVERY_UNSAFE_IN_JSON, escaped) : json;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
