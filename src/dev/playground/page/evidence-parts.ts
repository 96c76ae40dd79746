import { type Frame, framesOf, toHex, toText } from "./bytes.ts";
import { type Child, h } from "./dom.ts";

/** Elements that show the data of attempts and events. */

/** Creates a list of names and values. */
export function facts(entries: readonly (readonly [name: string, value: Child])[]): HTMLElement {
  return h(
    "dl",
    { class: "facts" },
    ...entries.flatMap(([name, value]) => (value === undefined ? [] : [h("dt", {}, name), h("dd", {}, value)])),
  );
}

export function mono(text: string): HTMLElement {
  return h("code", {}, text);
}

export function block(title: string, ...content: readonly Child[]): HTMLElement {
  return h("div", { class: "block" }, h("h3", {}, title), ...content);
}

/** Shows whether a comparison succeeded. It uses a sign and a text, because colour alone is not accessible. */
export function mark(isGood: boolean, good: string, bad: string): HTMLElement {
  return h("span", { class: isGood ? "mark-good" : "mark-bad" }, isGood ? `✓ ${good}` : `✗ ${bad}`);
}

export function json(text: string): HTMLElement {
  return h("pre", { class: "json", tabindex: 0 }, text === "" ? "(empty)" : text);
}

export function table(head: readonly string[], rows: readonly (readonly Child[])[], caption: string): HTMLElement {
  const cells = (row: readonly Child[]) =>
    row.map((cell, at) => (at === 0 ? h("th", { scope: "row" }, cell) : h("td", {}, cell)));
  return h(
    "div",
    { class: "table", role: "group", "aria-label": caption, tabindex: 0 },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.map((row) => h("tr", {}, ...cells(row)))),
    ),
  );
}

/** Returns the time of day in the user's locale, with milliseconds. */
export function timeText(unixMs: number): string {
  const time = new Date(unixMs);
  return `${time.toLocaleTimeString(undefined, { hour12: false })}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

/** The names of the frames of a request's signing input, in order (proto/README.md, "What is signed"). */
export const REQUEST_FRAMES = [
  "domain",
  "protocol_version",
  "device_session_id",
  "message_type",
  "timestamp_ms",
  "request_id",
  "payload_hash",
  "idempotency_key",
] as const;
export const RESPONSE_FRAMES = [
  "domain",
  "protocol_version",
  "device_session_id",
  "message_type",
  "request_id",
  "timestamp_ms",
  "result_code",
  "payload_hash",
  "key_id",
] as const;
export const EVENT_FRAMES = [
  "domain",
  "protocol_version",
  "event_type",
  "event_id",
  "audience",
  "timestamp_ms",
  "payload_hash",
  "key_id",
] as const;

const COLOURS = 8;

/** Shows a signing input in two forms: as hex with one colour per frame, and as a table of the frames. */
export function signingInput(bytes: Uint8Array, names: readonly string[]): HTMLElement[] {
  const frames = framesOf(bytes);
  const colour = (at: number) => `f${at % COLOURS}`;
  const run = frames.map((frame, at) =>
    h("span", { class: `frame ${colour(at)}` }, h("span", { class: "length" }, toHex(frame.length)), toHex(frame.value)),
  );
  const rows = frames.map((frame, at) => {
    const name = names[at] ?? `frame ${at}`;
    const value = shownValue(name, frame);
    return [
      h("span", {}, h("span", { class: `swatch ${colour(at)}`, "aria-hidden": "true" }), name),
      String(frame.value.length),
      mono(value),
    ];
  });
  return [
    block(
      `Signing input, ${bytes.length} bytes`,
      h("code", { class: "hex", tabindex: 0, role: "group", "aria-label": "Signing input in hexadecimal" }, ...run),
      h(
        "p",
        { class: "hint" },
        "Each frame is its length in four bytes (underlined), then its value. So no byte can move from one field to another.",
      ),
    ),
    table(["Frame", "Bytes", "Value"], rows, "The frames of the signing input"),
  ];
}

function shownValue(name: string, { value }: Frame): string {
  if (name === "timestamp_ms") return String(new DataView(value.buffer, value.byteOffset).getBigInt64(0));
  return name === "payload_hash" ? toHex(value) : toText(value);
}
