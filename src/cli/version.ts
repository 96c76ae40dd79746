import project from "../../package.json" with { type: "json" };

export const HELP = `usage: sallyport version

Prints the versions of Sallyport and Bun on one line. --version does the same.

Example:

  sallyport version`;

/** `sallyport version`: prints the versions. */
export async function run(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    console.error("sallyport version: unexpected argument; the command takes no arguments");
    return 2;
  }
  console.log(`${project.name} ${project.version} (Bun ${Bun.version})`);
  return 0;
}
