/** Collects the reasons for which the gateway is not ready. */
export class Readiness {
  readonly #sources: (() => readonly string[])[] = [];
  readonly #listeners: (() => void)[] = [];

  /** Adds a source of reasons. The source returns the reasons that apply now, or an empty list if there are none. */
  add(reasons: () => readonly string[]): void {
    this.#sources.push(reasons);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Call when the reasons of a source may have changed. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Returns the reasons of all sources. The list is empty if the gateway is ready. */
  reasons(): string[] {
    return this.#sources.flatMap((reasons) => reasons());
  }
}
