import { readFileSync, statSync } from "node:fs";

/** The files of a configuration, each with its state when it was read. */
export class ConfigFiles {
  #states = new Map<string, string>();

  /** Forgets all files. Call it before the configuration is read again. */
  clear(): void {
    this.#states = new Map();
  }

  /** Adds a file that other code reads. */
  add(path: string): void {
    this.#states.set(path, stateOf(path));
  }

  /** Adds a file, and returns its text. */
  readonly read = (path: string): string => {
    this.add(path);
    return readFileSync(path, "utf8");
  };

  /** Returns the path and the new state of each changed file, one file per line. Empty if no file has changed. */
  changes(): string {
    const now = [...this.#states].map(([path, before]) => ({ path, before, state: stateOf(path) }));
    return now
      .filter(({ before, state }) => state !== before)
      .map(({ path, state }) => `${path} ${state}`)
      .join("\n");
  }
}

/** Returns a text that changes with the file. Symbolic links are followed, so a new target of a link counts as a change. */
function stateOf(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  } catch {
    return "unreadable";
  }
}

/**
 * Returns a function to call at a regular interval. The function calls `onChange` when files have changed since they were read.
 * First, two successive calls must find the same changes, because some programs write a file in several steps.
 */
export function watchFiles(files: Pick<ConfigFiles, "changes">, onChange: () => void): () => void {
  let seen = "";
  return () => {
    const changes = files.changes();
    const isSettled = changes !== "" && changes === seen;
    seen = isSettled ? "" : changes;
    if (isSettled) onChange();
  };
}
