/** `bun run build` compiles the gateway to one executable, `dist/sallyport`, and packs the client, `dist/sallyport-client-VERSION.tgz`. */
import { join, relative } from "node:path";
import { CLIENT_PACKAGE, packClient } from "./client-package/pack.ts";
import { compileExecutable } from "./compile.ts";

const root = join(import.meta.dir, "../..");

const result = await compileExecutable(join(root, "src/main.ts"), join(root, "dist/sallyport"));
for (const log of result.logs) process.stderr.write(`${log.message}\n`);
if (!result.success) process.exit(1);
process.stdout.write("dist/sallyport\n");
await Bun.write(CLIENT_PACKAGE, await packClient());
process.stdout.write(`${relative(root, CLIENT_PACKAGE)}\n`);
