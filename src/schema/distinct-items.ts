import { canonicalText } from "./canonical-text.ts";
import type { Steps } from "./steps.ts";

/**
 * Returns true if no two items of an array are equal. Converts each item to a text and sorts the texts, in O(n log n) time.
 *
 * Comparing all pairs, as other validators do, takes minutes for an array of 100,000 objects. A hash table takes minutes too, if
 * a client chooses texts whose hashes collide.
 */
export function areDistinct(items: readonly unknown[], steps: Steps): boolean {
  if (items.length < 2) return true;
  const texts = items.map((item) => canonicalText(item, steps)).sort();
  steps.take(texts.length);
  return texts.every((text, at) => at === 0 || text !== texts[at - 1]);
}
