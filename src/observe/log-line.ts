import type { LogFields } from "../core/ports.ts";

export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];
export type LogFormat = "json" | "pretty";

/** One log line, without its end. `time` is ISO 8601 in UTC. */
export type LineFormatter = (time: string, level: Level, message: string, fields: LogFields | undefined) => string;

/** A value longer than this is cut: a line stays a line, whatever a client or a backend put into it. In UTF-16 units, unescaped. */
const VALUE_CHARS_MAX = 2048;
/** A line that is longer all the same, since escapes take six characters each, is written again with values of a few words. */
const LINE_CHARS_MAX = 8192;
const SHORT_VALUE_CHARS_MAX = 64;
const SHORT_LINE_FIELDS_MAX = 16;

type Render = (time: string, level: Level, message: string, fields: LogFields | undefined, valueCharsMax: number) => string;

function bounded(render: Render): LineFormatter {
  return (time, level, message, fields) => {
    const line = render(time, level, message, fields, VALUE_CHARS_MAX);
    if (line.length <= LINE_CHARS_MAX) return line;
    const few = Object.fromEntries(Object.entries(fields ?? {}).slice(0, SHORT_LINE_FIELDS_MAX));
    return render(time, level, message, few, SHORT_VALUE_CHARS_MAX);
  };
}

/** `{"time":…,"level":…,"msg":…,…fields}`. A field cannot take the place of the first three, and what is undefined is left out. */
const jsonLine = bounded((time, level, message, fields, valueCharsMax) => {
  const safe = fields !== undefined && hasReserved(fields) ? withoutReserved(fields) : fields;
  const head = `{"time":"${time}","level":"${level}","msg":${JSON.stringify(clip(message, valueCharsMax))}`;
  const members = safe === undefined ? "{}" : clippedJson(safe, valueCharsMax);
  return escapeUnsafe(members === "{}" ? `${head}}` : `${head},${members.slice(1)}`);
});

/** `12:00:00.000 INFO  message name=value`, for people at a terminal. */
const prettyLine = bounded((time, level, message, fields, valueCharsMax) => {
  let line = `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${plainOrQuoted(message, PLAIN_MESSAGE, valueCharsMax)}`;
  for (const name in fields) {
    const value = fields[name];
    if (value === undefined) continue;
    line += ` ${plainOrQuoted(name, PLAIN_VALUE, valueCharsMax)}=${plainOrQuoted(String(value), PLAIN_VALUE, valueCharsMax)}`;
  }
  return line;
});

const PLAIN_MESSAGE = /^[^"\\]*$/;
const PLAIN_VALUE = /^[^\s"\\=]+$/;

export const FORMATTERS: Readonly<Record<LogFormat, LineFormatter>> = { json: jsonLine, pretty: prettyLine };

function hasReserved(fields: LogFields): boolean {
  return "time" in fields || "level" in fields || "msg" in fields;
}

function withoutReserved({ time, level, msg, ...others }: LogFields): LogFields {
  return { ...others, field_time: time, field_level: level, field_msg: msg };
}

function plainOrQuoted(text: string, plain: RegExp, charsMax: number): string {
  const isPlain = text.length <= charsMax && plain.test(text) && !isUnsafe(text);
  return isPlain ? text : escapeUnsafe(JSON.stringify(clip(text, charsMax)));
}

/**
 * What could end a line, steer a terminal, or make text read as other text: control, format, surrogate, private and unassigned characters
 * (Unicode general category C, in which the bidirectional overrides are), line separators, and what shows nothing.
 */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const EVERY_UNSAFE = new RegExp(UNSAFE, "gu");
/** Nearly every line, and cheap to see. */
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

function isUnsafe(text: string): boolean {
  return !PRINTABLE_ASCII.test(text) && UNSAFE.test(text);
}

function clip(text: string, charsMax: number): string {
  return text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
}

function clippedJson(fields: LogFields, valueCharsMax: number): string {
  const json = JSON.stringify(fields);
  if (json.length <= valueCharsMax) return json;
  return JSON.stringify(fields, (_name, value: unknown) => (typeof value === "string" ? clip(value, valueCharsMax) : value));
}

/** In JSON text, where what is unsafe stands in strings alone. */
function escapeUnsafe(json: string): string {
  return PRINTABLE_ASCII.test(json) ? json : json.replace(EVERY_UNSAFE, escaped);
}

/** Each of the one or two UTF-16 units, as JSON escapes them. */
function escaped(character: string): string {
  return character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}
