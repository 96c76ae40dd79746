/** Why the gateway should not get traffic, as its parts report it. */
export class Readiness {
  readonly #sources: (() => readonly string[])[] = [];
  readonly #listeners: (() => void)[] = [];

  /** Adds a part. It returns its reasons, in words; none while it is ready. */
  add(reasons: () => readonly string[]): void {
    this.#sources.push(reasons);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** A part's reasons may have changed. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Every reason; none if the gateway is ready. */
  reasons(): string[] {
    return this.#sources.flatMap((reasons) => reasons());
  }
}
