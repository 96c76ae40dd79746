/**
 * `bun run build` compiles the gateway to executables, and packs the client, `dist/sallyport-client-VERSION.tgz`. It compiles `dist/sallyport` for this system
 * and processor, and `dist/sallyport-TARGET` for each target that the arguments name. Without arguments, it compiles all targets.
 */
import { join, relative } from "node:path";
import { CLIENT_PACKAGE, packClient } from "./client-package/pack.ts";
import { compileRelease } from "./executable/release.ts";
import { TARGETS } from "./executable/runtime.ts";

const root = join(import.meta.dir, "../..");

const names = process.argv.slice(2);
const unknown = names.find((name) => !TARGETS.some((target) => target === name));
if (unknown !== undefined) {
  console.error(`there is no target ${unknown}; the targets are ${TARGETS.join(" and ")}`);
  process.exit(2);
}
const targets = names.length === 0 ? TARGETS : TARGETS.filter((target) => names.includes(target));
for (const target of [undefined, ...targets]) console.log(await compileRelease(root, target));
await Bun.write(CLIENT_PACKAGE, await packClient());
console.log(relative(root, CLIENT_PACKAGE));
