import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DevGateway } from "./dev-gateway.ts";
import { Mask } from "./mask.ts";
import { Shell, type ShellOptions, type ShellResult } from "./shell.ts";
import { Terminal, type TerminalOptions } from "./terminal.ts";

const FOLDER = join(import.meta.dir, "../../integration/cli/transcripts");

// biome-ignore lint/suspicious/noControlCharactersInRegex: the sequence that sets a colour starts with a control character
const COLOUR = /\x1b\[(\d+)m/g;

/** Records commands with their output, for comparison with a file. Only what differs from run to run is masked. */
export class Transcript {
  readonly shell = new Shell();
  readonly #path: string;
  readonly #mask: Mask;
  #text = "";

  /** `gateway`: the gateway whose URLs are masked, if the commands use one. */
  constructor(name: string, gateway?: DevGateway) {
    this.#path = join(FOLDER, `${name}.txt`);
    this.#mask = new Mask({
      ...(gateway && { [gateway.edgeUrl]: "http://127.0.0.1:8080", [gateway.backendUrl]: "http://127.0.0.1:8083" }),
      [this.shell.folder]: "~",
    });
  }

  /** Runs a line of bash. Lines of standard error are marked by `2> `. */
  async run(line: string, options: ShellOptions = {}): Promise<ShellResult> {
    const result = await this.shell.run(line, options);
    this.record(line, result);
    return result;
  }

  /** Records a command that ran without a shell. */
  record(line: string, result: ShellResult): void {
    const errors = result.err.replace(/^(?=.)/gm, "2> ");
    this.#add(`$ ${line}\n${endLine(result.out)}${endLine(errors)}${result.code === 0 ? "" : `(exit code ${result.code})\n`}`);
  }

  /** Runs a command at a terminal. `use` types and waits. Colours are shown as `«36»`, other control sequences with `␛`. */
  async atTerminal(
    line: string,
    use: (terminal: Terminal) => Promise<void> = async () => {},
    options: TerminalOptions = {},
  ): Promise<number> {
    const terminal = new Terminal(this.shell, ["bash", "-c", line], options);
    await use(terminal);
    const code = await terminal.end();
    const shown = terminal.text.replaceAll("\r\n", "\n").replace(COLOUR, "«$1»").replaceAll("\x1b", "␛").replaceAll("\r", "␍");
    const settings = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value} `);
    this.#add(`[at a terminal] $ ${settings.join("")}${line}\n${endLine(shown)}${code === 0 ? "" : `(exit code ${code})\n`}`);
    return code;
  }

  /** A line that explains the commands after it. */
  comment(text: string): void {
    this.#add(`# ${text}\n`);
  }

  /** Returns the recorded and the expected text. With UPDATE_TRANSCRIPTS=1, first writes what was recorded. */
  finish(): { readonly recorded: string; readonly expected: string } {
    this.shell.close();
    const recorded = `${this.#text.trim()}\n`;
    if (process.env["UPDATE_TRANSCRIPTS"] === "1") {
      mkdirSync(dirname(this.#path), { recursive: true });
      writeFileSync(this.#path, recorded);
    }
    return { recorded, expected: existsSync(this.#path) ? readFileSync(this.#path, "utf8") : "" };
  }

  #add(text: string): void {
    this.#text += `${this.#mask.of(text)}\n`;
  }
}

function endLine(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}⏎\n`;
}
