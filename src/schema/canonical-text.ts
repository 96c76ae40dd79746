import { isJsonObject } from "../core/json-body.ts";
import type { Steps } from "./steps.ts";

const STEPS_PER_VALUE = 20;
/** This number of characters in a canonical text counts as one step. A step is about 10 ns of work (`Steps`). */
const CHARACTERS_PER_STEP = 16;

/** Returns a text that is the same for equal JSON values. Object members are sorted by name, and 1.0 is written as 1. */
export function canonicalText(value: unknown, steps: Steps): string {
  steps.take(STEPS_PER_VALUE);
  const text = textOf(value, steps);
  steps.take(Math.floor(text.length / CHARACTERS_PER_STEP));
  return text;
}

function textOf(value: unknown, steps: Steps): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((each) => canonicalText(each, steps)).join(",")}]`;
  if (!isJsonObject(value)) return value === 0 ? "0" : String(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${canonicalText(each, steps)}`).join(",")}}`;
}
