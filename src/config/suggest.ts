/** Returns ` (did you mean "…"?)` with the closest candidate, or an empty text if no candidate is close enough. */
export function suggest(word: string, candidates: Iterable<string>): string {
  const found = closest(word, candidates);
  return found === undefined ? "" : ` (did you mean "${found}"?)`;
}

/** Returns the closest candidate, or `undefined` if none is close enough. */
export function closest<T extends string>(word: string, candidates: Iterable<T>): T | undefined {
  let best: T | undefined;
  let whole: T | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 4)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
    // The word may be a name without its unit, such as `backend.timeout`.
    if (candidate.startsWith(`${word}_`)) whole ??= candidate;
  }
  return best ?? whole;
}

/** Returns the Levenshtein distance of two words. If their lengths differ by `atMost` or more, returns `atMost` instead. */
function editDistance(a: string, b: string, atMost: number): number {
  if (Math.abs(a.length - b.length) >= atMost) return atMost;
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const here = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      here.push(Math.min(replaced, (above[column] ?? 0) + 1, (here[column - 1] ?? 0) + 1));
    }
    above = here;
  }
  return above[b.length] ?? atMost;
}
