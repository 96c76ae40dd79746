import type { Dropped, PushStep } from "../feed/push-event.ts";
import { type ReadItem, readItem, readTexts } from "../publish/item-json.ts";

export interface StreamEntry {
  readonly id: string;
  /** Names and values, in order; `undefined` if the entry is too large. */
  readonly fields: readonly (readonly [name: string, value: string])[] | undefined;
}

const TOO_LARGE: Dropped = {
  ...{ kind: "dropped", reason: "too_large", lostTo: "everybody" },
  problem: { field: undefined, message: "expected at most 2 MiB in the fields of an entry" },
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
export function readEntry({ fields }: StreamEntry): PushStep {
  if (fields === undefined) return TOO_LARGE;
  const { step, problem } = read(fields) ?? { step: UNKNOWN };
  return step.kind === "dropped" && problem !== undefined ? { ...step, problem } : step;
}

function read(fields: NonNullable<StreamEntry["fields"]>): ReadItem | undefined {
  const [[name, value] = ["", ""], ...more] = fields;
  if (more.length === 0 && (name === "event" || name === "revocation")) return readItem(name, value);
  return fields.some(([each]) => TYPE_FIELDS.has(each)) ? readTexts(fields) : undefined;
}
