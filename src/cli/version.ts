import project from "../../package.json" with { type: "json" };

/** `sallyport version`: what runs here. */
export async function run(args: readonly string[]): Promise<number> {
  const [unexpected] = args;
  if (unexpected !== undefined) {
    console.error(`sallyport version: unexpected argument ${unexpected}; it takes none`);
    return 2;
  }
  console.log(`${project.name} ${project.version} (Bun ${Bun.version})`);
  return 0;
}
