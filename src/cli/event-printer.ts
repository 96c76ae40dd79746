import type { SubscriptionEvent } from "../client/subscription-event.ts";
import { utf8Text } from "../core/json-body.ts";
import { minifiedJson } from "./output/json-format.ts";
import type { Output } from "./output/output.ts";
import { printable } from "./output/printable.ts";

/** Widths of the table's columns, in characters. A longer value shifts the rest of its line to the right. */
const TYPE_CHARS = 22;
const AUDIENCE_CHARS = 8;

/** Prints events: as a table on a terminal, otherwise as JSON lines. */
export class EventPrinter {
  readonly #output: Output;
  #hasHeading = false;

  constructor(output: Output) {
    this.#output = output;
  }

  async print(event: SubscriptionEvent): Promise<void> {
    await this.#output.write(this.#output.isTerminal ? this.#row(event) : jsonLine(event));
  }

  #row(event: SubscriptionEvent): string {
    const { faint, name, bad, good } = this.#output.style;
    const heading = this.#hasHeading
      ? ""
      : `${faint(`  ${"TIME".padEnd(10)}${"TYPE".padEnd(TYPE_CHARS)}${"FOR".padEnd(AUDIENCE_CHARS)}PAYLOAD`)}\n`;
    this.#hasHeading = true;
    const time = new Date(event.timestampMs).toTimeString().slice(0, 8);
    // An audience is `session:<id>`, `user:<id>` or `all`. The table shows it without the id.
    const audience = event.audience.split(":")[0] ?? "";
    const type = event.eventType.padEnd(TYPE_CHARS);
    const shownType = event.kind === "resync" ? bad(type) : name(type);
    const payload = printable(payloadText(event));
    return `${heading}${good("✓")} ${faint(time.padEnd(10))}${shownType}${audience.padEnd(AUDIENCE_CHARS)}${payload}\n`;
  }
}

/** Returns the event as one line of JSON. The payload is copied as text, so that numbers keep all their digits. */
function jsonLine(event: SubscriptionEvent): string {
  const { eventType, eventId, audience, timestampMs, evidence } = event;
  const fields = {
    event_type: eventType,
    event_id: eventId,
    audience,
    timestamp_ms: timestampMs,
    key_id: evidence.keyId,
  };
  const member = isJson(event) ? "payload" : "payload_base64";
  return `${JSON.stringify(fields).slice(0, -1)},"${member}":${payloadText(event)}}\n`;
}

function isJson({ payload, payloadBytes }: SubscriptionEvent): boolean {
  return payload !== undefined || payloadBytes.byteLength === 0;
}

/** Returns the payload as JSON on one line. An empty payload is `null`. A payload that is not JSON is a string of base64. */
function payloadText({ payload, payloadBytes }: SubscriptionEvent): string {
  if (payloadBytes.byteLength === 0) return "null";
  const text = payload === undefined ? undefined : utf8Text(payloadBytes);
  return text === undefined ? JSON.stringify(Buffer.from(payloadBytes).toString("base64")) : minifiedJson(text);
}
