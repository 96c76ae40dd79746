/** `bun run build` compiles the gateway to one executable, `dist/sallyport`, and packs the client, `dist/sallyport-client-VERSION.tgz`. */
import { join, relative } from "node:path";
import { CLIENT_PACKAGE, packClient } from "./client-package/pack.ts";

const root = join(import.meta.dir, "../..");

const result = await Bun.build({
  entrypoints: [join(root, "src/main.ts")],
  // A .env or bunfig.toml in the working directory must not configure the executable.
  compile: { outfile: join(root, "dist/sallyport"), autoloadDotenv: false, autoloadBunfig: false },
  minify: true,
  bytecode: true,
  sourcemap: "linked",
});
for (const log of result.logs) process.stderr.write(`${log.message}\n`);
if (!result.success) process.exit(1);
process.stdout.write("dist/sallyport\n");
await Bun.write(CLIENT_PACKAGE, await packClient());
process.stdout.write(`${relative(root, CLIENT_PACKAGE)}\n`);
