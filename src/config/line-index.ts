import type { ValuePath } from "./problem.ts";

interface Place {
  line: number | undefined;
  readonly inside: Map<string | number, Place>;
}

/** The line of each key and of each list item in a configuration file. */
export class LineIndex {
  readonly #root: Place = { line: undefined, inside: new Map() };

  /** Records the line of a value. If the value already has a line, keeps the first line. */
  add(path: ValuePath, line: number): void {
    let place = this.#root;
    for (const part of path) {
      const next = place.inside.get(part) ?? { line: undefined, inside: new Map() };
      place.inside.set(part, next);
      place = next;
    }
    place.line ??= line;
  }

  /** Returns the line of a value. If this line is unknown, returns that of the innermost enclosing value with a known line. */
  lineOf(path: ValuePath): number | undefined {
    let place: Place | undefined = this.#root;
    let line: number | undefined;
    for (const part of path) {
      place = place.inside.get(part);
      if (place === undefined) return line;
      line = place.line ?? line;
    }
    return line;
  }
}
