import { until } from "../until.ts";
import type { Shell } from "./shell.ts";

export interface TerminalOptions {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly columns?: number | undefined;
}

/** A command at a real terminal (a pty of the system): its standard input, output and error are the terminal. */
export class Terminal {
  #text = "";
  #seen = 0;
  readonly #decoder = new TextDecoder();
  readonly #child: Bun.Subprocess;
  readonly #ended = Promise.withResolvers<void>();

  constructor(shell: Shell, command: readonly string[], { env, columns = 200 }: TerminalOptions = {}) {
    this.#child = Bun.spawn([...command], {
      cwd: shell.folder,
      env: { ...shell.env, ...env },
      terminal: {
        cols: columns,
        rows: 50,
        data: (_, data) => {
          this.#text += this.#decoder.decode(data, { stream: true });
        },
        exit: () => this.#ended.resolve(),
      },
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Everything that the terminal has received, with its control sequences. */
  get text(): string {
    return this.#text;
  }

  /** Waits until the text appears after what was expected before. */
  async expect(text: string): Promise<void> {
    await until(() => this.#text.includes(text, this.#seen), `"${text}"`).catch((error: Error) => {
      this.#child.kill("SIGKILL");
      throw new Error(`${error.message} in:\n${this.#text}`);
    });
    this.#seen = this.#text.indexOf(text, this.#seen) + text.length;
  }

  /** Types the text. `\r` is the Enter key, `\x03` is Ctrl-C, `\t` is the tabulator key. */
  type(text: string): void {
    this.#child.terminal?.write(text);
  }

  /** Waits for the end of the command. Resolves to its exit code. */
  async end(): Promise<number> {
    const code = await this.#child.exited;
    await this.#ended.promise;
    return code;
  }
}
