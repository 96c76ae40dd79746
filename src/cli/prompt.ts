const LINE_CHARS_MAX = 4096;

/** Reads lines from standard input. */
export class LineReader {
  readonly #reader = Bun.stdin.stream().getReader();
  readonly #decoder = new TextDecoder();
  readonly #signal: AbortSignal;
  #buffered = "";

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    // The signal does not end a pending read. So an abort cancels the reader.
    signal.addEventListener("abort", () => void this.#reader.cancel().catch(() => {}), { once: true });
  }

  /** Resolves to the next line without white space at its ends, or to `undefined` at the end of the input. */
  async next(): Promise<string | undefined> {
    while (!this.#buffered.includes("\n")) {
      this.#signal.throwIfAborted();
      const { value, done } = await this.#reader.read();
      this.#signal.throwIfAborted();
      if (done || this.#buffered.length > LINE_CHARS_MAX) return this.#rest();
      this.#buffered += this.#decoder.decode(value, { stream: true });
    }
    const end = this.#buffered.indexOf("\n");
    const line = this.#buffered.slice(0, end).trim();
    this.#buffered = this.#buffered.slice(end + 1);
    return line;
  }

  /** Releases standard input, so that the process can end. */
  async close(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }

  #rest(): string | undefined {
    const rest = this.#buffered.trim();
    this.#buffered = "";
    return rest === "" ? undefined : rest;
  }
}

/** Asks a person at a terminal. The question goes to standard error, so that standard output holds only data. */
export class Prompt {
  readonly #lines: LineReader;

  constructor(lines: LineReader) {
    this.#lines = lines;
  }

  /** Asks until the answer is not empty. Resolves to `undefined` at the end of the input (Ctrl-D). */
  async ask(question: string): Promise<string | undefined> {
    for (;;) {
      process.stderr.write(`${question}: `);
      const answer = await this.#lines.next().catch((error: unknown) => {
        process.stderr.write("\n");
        throw error;
      });
      if (answer === undefined) process.stderr.write("\n");
      if (answer !== "") return answer;
    }
  }
}
