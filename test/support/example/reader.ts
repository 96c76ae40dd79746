import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { Mask } from "../cli/mask.ts";
import { Shell, type ShellResult } from "../cli/shell.ts";
import { lastingFreePorts } from "../free-ports.ts";
import { until } from "../until.ts";
import { type Part, partsOf } from "./page.ts";
import { TerminalProgram } from "./terminal-program.ts";

const EXAMPLES = join(import.meta.dir, "../../../proto/examples");

/** The ports of the pages, of the services and of the gateway's defaults. */
const PORTS = ["8080", "8081", "8082", "8085", "9000", "6379"] as const;
const SOURCES = [".toml", ".py", ".js", ".go", ".php"];
const START_MS = 120_000;

/** Follows the page of an example in a copy of its folder. Only the ports differ from the page. */
export class Reader {
  readonly #shell = new Shell();
  readonly #page: string;
  readonly #ports: ReadonlyMap<string, string>;
  readonly #mask: Mask;
  readonly #terminals: TerminalProgram[] = [];

  private constructor(name: string, free: readonly number[]) {
    this.#page = join(EXAMPLES, name, "README.md");
    this.#ports = new Map(PORTS.map((port, index) => [port, String(free[index])]));
    const urls = PORTS.map((port) => [`127.0.0.1:${this.#ports.get(port)}`, `127.0.0.1:${port}`]);
    this.#mask = new Mask({ ...Object.fromEntries(urls), [this.#shell.folder]: "~" });
    cpSync(join(EXAMPLES, name), this.#shell.folder, {
      recursive: true,
      filter: (path) => !/node_modules|\.venv|__pycache__/.test(path),
    });
    for (const file of readdirSync(this.#shell.folder).filter((each) => SOURCES.includes(extname(each)))) {
      const path = join(this.#shell.folder, file);
      writeFileSync(path, this.#withFreePorts(readFileSync(path, "utf8")));
    }
  }

  static async open(name: string): Promise<Reader> {
    return new Reader(name, await lastingFreePorts(PORTS.length));
  }

  /** The address of the service, which only the gateway may call. */
  get serviceUrl(): string {
    return `http://127.0.0.1:${this.#ports.get("9000")}`;
  }

  /** Runs a command in the folder of the example. */
  run(line: string): Promise<ShellResult> {
    return this.#shell.run(line, { env: this.#env });
  }

  /** Does what the page says, from its start to its end. Resolves to the page with the outputs that appeared, and to the page. */
  async follow(): Promise<{ readonly recorded: string; readonly expected: string }> {
    const expected = readFileSync(this.#page, "utf8");
    let recorded = "";
    for (const part of partsOf(expected)) recorded += await this.#do(part);
    if (process.env["UPDATE_TRANSCRIPTS"] !== "1") return { recorded, expected };
    writeFileSync(this.#page, recorded);
    return { recorded, expected: recorded };
  }

  async close(): Promise<void> {
    for (const terminal of this.#terminals.toReversed()) await terminal.end();
    this.#shell.close();
  }

  async #do(part: Part): Promise<string> {
    switch (part.kind) {
      case "text":
        return part.text;
      case "setup":
        await this.#setUp(part.lines);
        return part.text;
      case "terminal":
        await this.#start(part.lines);
        return part.text;
      case "session":
        return this.#inSession(part.commands);
      case "output":
        return this.#outputOfTheLastProgram();
    }
  }

  async #setUp(lines: string): Promise<void> {
    const { code, out, err } = await this.run(`set -e\n${this.#withFreePorts(lines)}`);
    if (code !== 0) throw new Error(`the setup exited with ${code}:\n${out}${err}`);
  }

  async #start(lines: string): Promise<void> {
    const program = new TerminalProgram(this.#withFreePorts(lines), this.#shell.folder, { ...this.#shell.env, ...this.#env });
    this.#terminals.push(program);
    const isUp = async () => {
      if (program.hasEnded) throw new Error(`${lines} ended:\n${program.output}`);
      return this.#isUp(lines).catch(() => false);
    };
    await until(isUp, `"${lines.trim()}" to be up`, START_MS);
  }

  async #isUp(program: string): Promise<boolean> {
    const admin = `http://127.0.0.1:${this.#ports.get("8082")}`;
    if (program.startsWith("sallyport serve")) return (await fetch(`${admin}/readyz`)).ok;
    if (program.startsWith("sallyport listen")) return (await (await fetch(`${admin}/streams`)).json()).streams.length > 0;
    const port = program.startsWith("redis-server") ? "6379" : "9000";
    const connection = await Bun.connect({ hostname: "127.0.0.1", port: Number(this.#ports.get(port)), socket: { data() {} } });
    connection.end();
    return true;
  }

  async #inSession(commands: readonly string[]): Promise<string> {
    let block = "";
    for (const command of commands) {
      const { out, err } = await this.run(this.#withFreePorts(command));
      block += `$ ${command}\n${this.#mask.of(out + err)}`;
    }
    return `\`\`\`\n${block}\`\`\`\n`;
  }

  async #outputOfTheLastProgram(): Promise<string> {
    const program = this.#terminals.at(-1);
    if (program === undefined) throw new Error("the page shows the output of a program before it starts one");
    await until(() => program.hasEnded, "the end of the program that was started last", START_MS);
    return `\`\`\`json\n${this.#mask.of(program.output)}\`\`\`\n`;
  }

  /** The packages come from the registries that this machine uses. The command line client has profiles of its own. */
  get #env(): Record<string, string> {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("SALLYPORT_") && name !== "PATH");
    const listen = (port: string) => `127.0.0.1:${this.#ports.get(port)}`;
    return {
      ...Object.fromEntries(inherited),
      XDG_CONFIG_HOME: this.#shell.config.replace(/\/sallyport$/, ""),
      SALLYPORT_EDGE_LISTEN: listen("8080"),
      SALLYPORT_GRPC_LISTEN: listen("8081"),
      SALLYPORT_ADMIN_LISTEN: listen("8082"),
      SALLYPORT_PUSH_LISTEN: listen("8085"),
      SALLYPORT_SHUTDOWN_DRAIN_MS: "0",
      SALLYPORT_SHUTDOWN_SPREAD_MS: "0",
    };
  }

  #withFreePorts(text: string): string {
    return text.replace(/(?<![\w.-])\d{4}(?![\w.-])/g, (port) => this.#ports.get(port) ?? port);
  }
}
