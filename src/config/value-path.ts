import { redactedKey } from "./problem.ts";

/** The place of a value inside another value: names of fields, and indexes of list items. */
export type ValuePath = readonly (string | number)[];

/** Returns the name of a value inside a setting, such as `routes[1].budget.rate`. Hides each name that may be a secret. */
export function keyShown(key: string, at: ValuePath): string {
  return at.reduce<string>(
    (shown, part) => (typeof part === "number" ? `${shown}[${part}]` : `${shown}.${redactedKey(part)}`),
    redactedKey(key),
  );
}
