import type { LogFields } from "../core/telemetry.ts";

export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];
export type LogFormat = "json" | "pretty";

/** Formats one log line, without a line feed at the end. `time` is ISO 8601 in UTC. */
export type LineFormatter = (time: string, level: Level, message: string, fields: LogFields | undefined) => string;

/**
 * Maximum length of a message or value, in UTF-16 units before escaping. Longer text is truncated, because clients control some
 * values.
 */
const VALUE_CHARS_MAX = 2048;
/** Maximum length of a log line, in UTF-16 units. A longer line is formatted again, with shorter values and fewer fields. */
const LINE_CHARS_MAX = 8192;
/**
 * Maximum length of a value in a line that is formatted again because it exceeded `LINE_CHARS_MAX`. The length counts UTF-16
 * units before escaping. Escaping can make a value six times as long.
 */
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

/**
 * Formats `{"time":…,"level":…,"msg":…,…fields}`. Undefined fields are omitted. Fields named `time`, `level` or `msg` get the
 * prefix `field_`.
 */
const jsonLine = bounded((time, level, message, fields, valueCharsMax) => {
  const safe = fields !== undefined && hasReserved(fields) ? withoutReserved(fields) : fields;
  const head = `{"time":"${time}","level":"${level}","msg":${JSON.stringify(clip(message, valueCharsMax))}`;
  const members = safe === undefined ? "{}" : clippedJson(safe, valueCharsMax);
  return escapeUnsafe(members === "{}" ? `${head}}` : `${head},${members.slice(1)}`);
});

/** Formats `12:00:00.000 INFO  message name=value`, for terminals. */
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
 * Matches a character that could end a line, control a terminal or disguise text:
 *
 * - Category C: control, format (such as bidirectional overrides), surrogate, private-use and unassigned characters
 * - Line and paragraph separators
 * - Ignorable characters, which are invisible
 */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const EVERY_UNSAFE = new RegExp(UNSAFE, "gu");
/** Matches text that needs no escaping. This test is faster than `UNSAFE`, and nearly every log line passes it. */
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

/** Escapes unsafe characters in JSON text. The JSON stays valid, because unsafe characters occur only inside strings. */
function escapeUnsafe(json: string): string {
  return PRINTABLE_ASCII.test(json) ? json : json.replace(EVERY_UNSAFE, escaped);
}

/** Returns the JSON escapes of a character. A character above U+FFFF has two UTF-16 units, and so two escapes. */
function escaped(character: string): string {
  return character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}
