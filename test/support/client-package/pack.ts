import { join } from "node:path";
import project from "../../../package.json" with { type: "json" };
import { compileClient, ENTRY_POINTS } from "./compile.ts";
import { tar } from "./tar.ts";

const root = join(import.meta.dir, "../../..");

/** Where `bun run build` writes the package. */
export const CLIENT_PACKAGE = join(root, `dist/sallyport-client-${project.version}.tgz`);

/** Compiles and packs `sallyport-client` in the layout of `npm pack`. The same sources give the same bytes. */
export async function packClient(): Promise<Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const add = (path: string, text: string) => files.set(`package/${path}`, new TextEncoder().encode(text));
  for (const [path, text] of compileClient()) add(`dist/${path}`, text);
  add("package.json", `${JSON.stringify(manifest(), null, 2)}\n`);
  add("README.md", packedReadme(await Bun.file(join(root, "src/client/README.md")).text()));
  add("LICENSE", await Bun.file(join(root, "LICENSE")).text());
  return Bun.gzipSync(Buffer.from(tar(files)), { level: 9 });
}

/** Replaces each link to a file of the repository by its text, because the package does not contain these files. */
function packedReadme(text: string): string {
  return text.replaceAll(/\[([^\]]+)\]\(\.{1,2}\/[^)]*\)/g, "$1");
}

export function manifest() {
  const { version, license } = project;
  const entries = Object.entries(ENTRY_POINTS).map(([name, path]) => {
    return [name, { types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` }] as const;
  });
  const exports: Record<string, string | Record<"types" | "default", string>> = {
    ...Object.fromEntries(entries),
    "./package.json": "./package.json",
  };
  return {
    name: "sallyport-client",
    version,
    description: "The client of a Sallyport gateway: signed commands and verified events, for browsers, Node and Bun.",
    keywords: ["sallyport", "connect", "ed25519", "signed-requests", "events"],
    license,
    type: "module",
    sideEffects: false,
    engines: { node: ">=20" },
    exports,
    main: `./dist/${ENTRY_POINTS["."]}.js`,
    types: `./dist/${ENTRY_POINTS["."]}.d.ts`,
    files: ["dist"],
    dependencies: dependencies(),
  };
}

/**
 * The libraries of the client, in the versions that the tests use or later. Of connect-es, only later patches: the client uses the
 * functions that connect-es exports for transports, which may change with a minor version.
 */
function dependencies(): Record<string, string> {
  const { "@bufbuild/protobuf": protobuf, "@connectrpc/connect": connect } = project.dependencies;
  const { "@noble/ed25519": ed25519, "@noble/hashes": hashes } = project.dependencies;
  return {
    "@bufbuild/protobuf": `^${protobuf}`,
    "@connectrpc/connect": `~${connect}`,
    "@noble/ed25519": `^${ed25519}`,
    "@noble/hashes": `^${hashes}`,
  };
}
