/** A program in a terminal of its own: its process group ends with it. */
export class TerminalProgram {
  #output = "";
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #read: Promise<unknown>;
  #hasEnded = false;

  constructor(lines: string, cwd: string, env: Readonly<Record<string, string>>) {
    this.#child = Bun.spawn(["bash", "-c", lines], {
      cwd,
      env: { ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      detached: true,
    });
    const streams = [this.#child.stdout, this.#child.stderr];
    this.#read = Promise.all(streams.map((stream) => this.#collect(stream))).then(() => {
      this.#hasEnded = true;
    });
  }

  /** What the program has printed so far. */
  get output(): string {
    return this.#output;
  }

  /** True after the program has closed its output. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Ends the program and all processes that it started. */
  async end(): Promise<void> {
    if (this.#child.exitCode === null) process.kill(-this.#child.pid, "SIGTERM");
    await this.#child.exited;
    await this.#read;
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.#output += decoder.decode(chunk, { stream: true });
  }
}
