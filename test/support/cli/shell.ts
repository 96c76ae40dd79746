import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = join(import.meta.dir, "../../../src/main.ts");

export interface ShellResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface ShellOptions {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly stdin?: string | undefined;
}

/**
 * A home folder of its own, with `sallyport` on the PATH. Commands run as a person types them, in a real shell, without a
 * terminal.
 */
export class Shell {
  readonly folder = mkdtempSync(join(tmpdir(), "sallyport-cli-"));
  readonly env: Readonly<Record<string, string>>;

  constructor() {
    const executable = join(this.folder, "sallyport");
    writeFileSync(executable, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
    chmodSync(executable, 0o755);
    this.env = { HOME: this.folder, PATH: `${this.folder}:${process.env["PATH"]}`, TERM: "xterm-256color", TZ: "UTC" };
  }

  /** The configuration folder of the client. */
  get config(): string {
    return join(this.folder, ".config/sallyport");
  }

  /** Runs a line of bash and waits for its end. */
  async run(line: string, { env, stdin }: ShellOptions = {}): Promise<ShellResult> {
    const child = Bun.spawn(["bash", "-c", line], {
      cwd: this.folder,
      env: { ...this.env, ...env },
      stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, out, err };
  }

  close(): void {
    rmSync(this.folder, { recursive: true });
  }
}
