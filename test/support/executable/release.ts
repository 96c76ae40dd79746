import { compileExecutable } from "../compile.ts";
import { commitOf } from "./commit.ts";
import { runtimeOf, type Target } from "./runtime.ts";

/**
 * Compiles the gateway in the folder `root` to one executable: `dist/sallyport-TARGET`, or `dist/sallyport` for the running system and
 * processor. Returns its path, relative to `root`. The same sources and commit give the same bytes in every folder.
 */
export async function compileRelease(root: string, target?: Target): Promise<string> {
  const outfile = target === undefined ? "dist/sallyport" : `dist/sallyport-${target}`;
  const runtime = target && { target: `bun-${target}` as const, executablePath: await runtimeOf(root, target) };
  // The bundler writes paths relative to the working directory.
  process.chdir(root);
  const result = await compileExecutable("src/main.ts", outfile, { commit: commitOf(root), runtime });
  if (!result.success) throw new Error(result.logs.map(({ message }) => message).join("\n"));
  return outfile;
}
