import { existsSync, readFileSync, realpathSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";

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
  const cwd = workingFolder(env["PWD"]);
  const path = executablePath(name, cwd, env["PATH"] ?? "") ?? process.execPath;
  const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { command: [path, ...args], cwd, env: Object.fromEntries(defined) };
}

/**
 * Returns the path of the working folder. `PWD` is the path with which a shell entered the folder. It may contain a symbolic link
 * that a deployment changes. process.cwd() would name the target of the link.
 */
function workingFolder(pwd: string | undefined): string {
  const cwd = process.cwd();
  const isSame = pwd !== undefined && isAbsolute(pwd) && existsSync(pwd) && realpathSync(pwd) === realpathSync(cwd);
  return isSame ? pwd : cwd;
}

/**
 * Looks for the executable of this process under `name`, as execvp(3) does. Returns its absolute path; `undefined` if not found.
 */
function executablePath(name: string, cwd: string, searchPath: string): string | undefined {
  const candidates = name.includes("/")
    ? [resolve(cwd, name)]
    : searchPath
        .split(":")
        .filter((folder) => folder !== "")
        .map((folder) => resolve(cwd, folder, name));
  const running = realpathSync("/proc/self/exe");
  return candidates.find((path) => existsSync(path) && realpathSync(path) === running);
}
