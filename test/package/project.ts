import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const APPS = join(import.meta.dir, "apps");

/** An empty project of somebody who installs the package, in a temporary folder. */
export class Project {
  readonly folder: string;

  private constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "sallyport-project-"));
  }

  /** Makes a project of ES modules with the test's apps, and installs packages by `npm i`. */
  static async install(...packages: readonly string[]): Promise<Project> {
    const project = new Project();
    writeFileSync(join(project.folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    cpSync(APPS, project.folder, { recursive: true });
    await project.run("npm", "i", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", ...packages);
    return project;
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.folder, path), text);
  }

  /** Runs a command in the folder. Resolves to its output; rejects with its output if it fails. */
  async run(...command: readonly [string, ...string[]]): Promise<string> {
    const child = Bun.spawn([...command], { cwd: this.folder, stdout: "pipe", stderr: "pipe", stdin: "ignore" });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (code !== 0) throw new Error(`${command.join(" ")} exited with ${code}:\n${out}${err}`);
    return out;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
