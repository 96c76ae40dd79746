import project from "../../package.json" with { type: "json" };

export const HELP = `usage: sallyport version

What runs here, in a line: the gateway's version and Bun's. As --version too.

Example:

  sallyport version`;

/** `sallyport version`: what runs here. */
export async function run(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    console.error("sallyport version: unexpected argument; it takes none");
    return 2;
  }
  console.log(`${project.name} ${project.version} (Bun ${Bun.version})`);
  return 0;
}
