/** `bun run build`: the whole gateway as one executable, dist/sallyport. */
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

const result = await Bun.build({
  entrypoints: [join(root, "src/main.ts")],
  // The executable is configured by what the README says, and by nothing that lies in the folder it starts in.
  compile: { outfile: join(root, "dist/sallyport"), autoloadDotenv: false, autoloadBunfig: false },
  minify: true,
  bytecode: true,
  sourcemap: "linked",
});
for (const log of result.logs) process.stderr.write(`${log.message}\n`);
if (!result.success) process.exit(1);
process.stdout.write("dist/sallyport\n");
