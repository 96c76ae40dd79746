import { realpathSync } from "node:fs";

/**
 * Returns the commit that is checked out in `root`, with `-modified` if files differ from it. Returns "unknown" if `root` is not the top of a
 * Git clone: a source archive can lie inside the clone of another project.
 */
export function commitOf(root: string): string {
  if (git(root, "rev-parse", "--show-toplevel") !== realpathSync(root)) return "unknown";
  const commit = git(root, "rev-parse", "HEAD");
  const changes = git(root, "status", "--porcelain");
  if (commit === undefined || changes === undefined) return "unknown";
  return changes === "" ? commit : `${commit}-modified`;
}

/** Returns the output of Git, or `undefined` if Git fails or is not installed. */
function git(root: string, ...args: readonly string[]): string | undefined {
  // GIT_DIR and its like, which Git sets for its hooks, could name another repository.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_")));
  try {
    const { success, stdout } = Bun.spawnSync(["git", ...args], { cwd: root, env, stderr: "ignore" });
    return success ? stdout.toString().trim() : undefined;
  } catch {
    return undefined;
  }
}
