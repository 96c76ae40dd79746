import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";

export interface Program {
  /** The path of the executable, then the arguments. */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Reads how this process was started. Call this at the start, before the files on disk change.
 *
 * The executable is named by the path with which this process was started (argv[0]), because this path may be a symbolic link that
 * a deployment changes. /proc/self/exe would name the target of the link, or a deleted file.
 */
export function startedProgram(env: Readonly<Record<string, string | undefined>>): Program {
  const [name = "", ...args] = readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
  const path = executablePath(name, env["PATH"] ?? "") ?? process.execPath;
  const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { command: [path, ...args], cwd: process.cwd(), env: Object.fromEntries(defined) };
}

/**
 * Looks for the executable of this process under `name`, as execvp(3) does. Returns its absolute path; `undefined` if not found.
 */
function executablePath(name: string, searchPath: string): string | undefined {
  const candidates = name.includes("/")
    ? [resolve(name)]
    : searchPath
        .split(":")
        .filter((folder) => folder !== "")
        .map((folder) => resolve(join(folder, name)));
  const running = realpathSync("/proc/self/exe");
  return candidates.find((path) => existsSync(path) && realpathSync(path) === running);
}
