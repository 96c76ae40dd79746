import type { Dropped, PushStep } from "../feed/push-event.ts";
import { damagedItem, type ItemKind, readItem, readTexts } from "../publish/item-json.ts";

export type StreamEntry = { readonly id: string } & (
  | {
      /** The names and values of the fields, in the order of the entry. */
      readonly fields: Fields;
      /** If false, the entry has bytes that are not UTF-8. `fields` has U+FFFD in their place. */
      readonly isUtf8: boolean;
    }
  /** The entry is too large. */
  | { readonly fields: undefined }
);

type Fields = readonly (readonly [name: string, value: string])[];

/**
 * Maximum size of an entry that the gateway gets from Redis, in bytes. It is enough for an event of maximum size. The JSON of an
 * event contains a few short fields and the payload. Base64 makes the payload 4/3 as long.
 */
export const ENTRY_BYTES_MAX = 2 * 1024 * 1024;
const TOO_LARGE: Dropped = {
  ...{ kind: "dropped", reason: "too_large", lostTo: "everybody" },
  problem: { field: undefined, message: `expected at most ${ENTRY_BYTES_MAX} bytes in the fields of an entry` },
};
const UNKNOWN: Dropped = {
  ...{ kind: "dropped", reason: "unknown_kind", lostTo: "everybody" },
  problem: {
    field: undefined,
    message: "expected the field event or revocation alone, or the fields of an event with event_type",
  },
};
/** An entry with one of these fields contains the fields of one event directly, not as a JSON object. */
const TYPE_FIELDS = new Set(["event_type", "eventType"]);

/** Validates an entry (proto/backend.md, "Publish over Redis"). */
export function readEntry(entry: StreamEntry): PushStep {
  return entry.fields === undefined ? TOO_LARGE : (read(entry.fields, entry.isUtf8) ?? UNKNOWN);
}

function read(fields: Fields, isUtf8: boolean): PushStep | undefined {
  const [[name, value] = ["", ""], ...more] = fields;
  if (more.length === 0 && isItemKind(name)) return isUtf8 ? readItem(name, value) : damagedItem(name);
  return fields.some(([each]) => TYPE_FIELDS.has(each)) ? readTexts(fields, isUtf8) : undefined;
}

function isItemKind(name: string): name is ItemKind {
  return name === "event" || name === "revocation";
}
