/** Collects the reasons why the gateway is not ready. */
export class Readiness {
  readonly #sources: (() => readonly string[])[] = [];
  readonly #listeners: (() => void)[] = [];

  /** Adds a function that returns reasons why the gateway is not ready, or an empty list. */
  add(reasons: () => readonly string[]): void {
    this.#sources.push(reasons);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Calls all functions that were passed to `onChange`. Call it when the gateway may have become ready or not ready. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Returns the reasons of all added functions. The list is empty if the gateway is ready. */
  reasons(): string[] {
    return this.#sources.flatMap((reasons) => reasons());
  }
}
