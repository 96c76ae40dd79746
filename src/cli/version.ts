import project from "../../package.json" with { type: "json" };

/** The commit of the sources. `bun run build` sets it. Undefined if the sources run without a build. */
declare const BUILD_COMMIT: string | undefined;

export const HELP = `usage: sallyport version

Prints the version of Sallyport, the commit of its sources, and the version of Bun on one line. --version does the same. The commit
is "unknown" if the sources were not built, or not built in a Git clone. It ends in -modified if files differed from the commit.

Example:

  sallyport version`;

/** `sallyport version`: prints the version and commit of Sallyport, and the version of Bun. */
export async function run(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    console.error("sallyport version: unexpected argument; the command takes no arguments");
    return 2;
  }
  const commit = typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "unknown";
  console.log(`${project.name} ${project.version} (commit ${commit}, Bun ${Bun.version})`);
  return 0;
}
