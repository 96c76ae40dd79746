import { errorCode } from "../../core/cause.ts";
import type { ClientEnvironment } from "../environment.ts";
import { prettyJson } from "./json-format.ts";
import { printable } from "./printable.ts";
import { COLOURED, PLAIN, type Style } from "./style.ts";

/** The fields of a `record`. Their order is the order of the output. */
export type RecordFields = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/** Thrown when the reader of standard output has closed it, as `head` does after its last line. */
export class OutputClosedError extends Error {}

/** Standard output for data, standard error for everything else. */
export class Output {
  /** True if standard output is a terminal. */
  readonly isTerminal: boolean;
  /** Colours of standard output. */
  readonly style: Style;
  /** Colours of standard error. */
  readonly noteStyle: Style;
  #writer: ReturnType<typeof Bun.stdout.writer> | undefined;

  constructor({ isColourOff }: Pick<ClientEnvironment, "isColourOff">) {
    this.isTerminal = process.stdout.isTTY === true;
    this.style = this.isTerminal && !isColourOff ? COLOURED : PLAIN;
    this.noteStyle = process.stderr.isTTY === true && !isColourOff ? COLOURED : PLAIN;
  }

  /** Writes data to standard output. Resolves when the system has taken all of it, so that an exit loses nothing. */
  async write(data: string | Uint8Array): Promise<void> {
    try {
      this.#writer ??= Bun.stdout.writer();
      await this.#writer.write(data);
      await this.#writer.flush();
    } catch (error) {
      if (errorCode(error) === "EPIPE") throw new OutputClosedError("EPIPE");
      throw error;
    }
  }

  /** Writes one line to standard error. */
  note(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  /** Writes a JSON text: indented and coloured on a terminal, otherwise unchanged. */
  json(text: string): Promise<void> {
    return this.write(`${this.isTerminal ? prettyJson(text, this.style) : text}\n`);
  }

  /** Writes a record: as a table on a terminal, otherwise as one JSON object. */
  record(fields: RecordFields): Promise<void> {
    if (!this.isTerminal) return this.write(`${JSON.stringify(fields)}\n`);
    const entries = Object.entries(fields).filter(([, value]) => value !== null);
    const width = Math.max(...entries.map(([name]) => name.length)) + 2;
    const lines = entries.map(([name, value]) => {
      const shown = typeof value === "object" && value !== null ? value.join("\n".padEnd(width + 1)) : printable(String(value));
      return `${this.style.name(name.replaceAll("_", " ").padEnd(width))}${shown}\n`;
    });
    return this.write(lines.join(""));
  }
}
