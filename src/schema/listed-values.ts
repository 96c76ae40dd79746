import { canonicalText } from "./canonical-text.ts";
import type { Steps } from "./steps.ts";

/**
 * Returns a function that checks whether a value equals one of `values`, for `enum` and `const`. The time of this function does not
 * depend on the number of values.
 *
 * The built-in check of ajv 8.20 is not used, because it compares the values one by one. It also throws if an object has a member
 * `valueOf` or `toString`.
 */
export function isOneOf(values: readonly unknown[], steps: Steps): (value: unknown) => boolean {
  const scalars = new Set(values.filter((each) => !isCompound(each)));
  const compounds = new Set(values.filter(isCompound).map((each) => canonicalText(each, steps)));
  return (value) => (isCompound(value) ? compounds.size > 0 && compounds.has(canonicalText(value, steps)) : scalars.has(value));
}

/** Whether a JSON value is an array or an object. */
function isCompound(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
