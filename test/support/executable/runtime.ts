import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";

/** The systems and processors that executables are built for, and the npm packages with their Bun. */
const RUNTIMES = {
  "linux-x64": { cpu: "x64", package: "@oven/bun-linux-x64" },
  "linux-arm64": { cpu: "arm64", package: "@oven/bun-linux-aarch64" },
} as const;

export type Target = keyof typeof RUNTIMES;

export const TARGETS: readonly Target[] = ["linux-x64", "linux-arm64"];

/**
 * Returns the path of the Bun that runs on `target`. It comes from the npm registry, in the version and with the checksum that `bun.lock`
 * pins. `bun build --compile` would fetch it without a checksum.
 */
export async function runtimeOf(root: string, target: Target): Promise<string> {
  const runtime = RUNTIMES[target];
  const folder = join(root, ".cache/runtimes", target);
  await mkdir(folder, { recursive: true });
  for (const name of ["package.json", "bun.lock"]) await copyFile(join(root, name), join(folder, name));
  const install = ["install", "--frozen-lockfile", "--ignore-scripts", "--os=linux", `--cpu=${runtime.cpu}`];
  const { success, stderr } = Bun.spawnSync([process.execPath, ...install], { cwd: folder });
  if (!success) throw new Error(`cannot install the runtime of ${target}:\n${stderr.toString()}`);
  return join(folder, "node_modules", runtime.package, "bin/bun");
}
