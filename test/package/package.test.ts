import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import project from "../../package.json" with { type: "json" };
import * as api from "../../src/client/index.ts";
import * as nodeApi from "../../src/client/node.ts";
import { manifest, packClient } from "../support/client-package/pack.ts";
import { foreignSources, gzipBytes } from "./bundle-report.ts";

/** The package's content. `installed.test.ts` installs and runs it. */

const root = join(import.meta.dir, "../..");
const WHOLE_BYTES_MAX = 36 * 1024;
/** The compiler takes about three seconds, and longer beside other work. */
const COMPILE_TIMEOUT_MS = 60_000;

describe("the package", () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-package-"));
  const unpacked = join(folder, "package");
  let packed = new Uint8Array();
  let paths: string[] = [];
  beforeAll(async () => {
    packed = new Uint8Array(await packClient());
    await Bun.write(join(folder, "client.tgz"), packed);
    await Bun.$`tar xzf client.tgz`.cwd(folder).quiet();
    paths = [...new Bun.Glob("**/*").scanSync(unpacked)].sort();
  }, COMPILE_TIMEOUT_MS);
  afterAll(() => rmSync(folder, { recursive: true }));

  test(
    "has the same bytes each time",
    async () => {
      expect(Bun.SHA256.hash(await packClient(), "hex")).toBe(Bun.SHA256.hash(packed, "hex"));
    },
    COMPILE_TIMEOUT_MS,
  );

  test("has modules with types and source maps, README and licence, and no file of the server", () => {
    const modules = paths.filter((path) => path.endsWith(".js")).map((path) => path.slice(0, -3));
    expect(modules.length).toBeGreaterThan(25);
    const expected = modules.flatMap((path) => [`${path}.d.ts`, `${path}.js`, `${path}.js.map`]);
    expect(paths).toEqual([...expected, "LICENSE", "README.md", "package.json"].sort());
    const shared = modules.filter((path) => !path.startsWith("dist/client/"));
    expect(shared).toEqual([
      "dist/core/backoff",
      "dist/core/grammar",
      "dist/core/reasons",
      "dist/crypto/signing-input",
      "dist/gen/sallyport/v1/gateway_pb",
    ]);
  });

  test("has source maps that contain the sources", async () => {
    for (const path of paths.filter((one) => one.endsWith(".map"))) {
      const { sources, sourcesContent }: { sources: string[]; sourcesContent: string[] } = await Bun.file(
        join(unpacked, path),
      ).json();
      const source = join(root, "src", path.replace(/^dist\//, "").replace(/\.js\.map$/, ".ts"));
      expect([path, sources.length, sourcesContent]).toEqual([path, 1, [await Bun.file(source).text()]]);
    }
  });

  test("has a README whose links work in the package", async () => {
    const readme = await Bun.file(join(unpacked, "README.md")).text();
    const slugs = [...readme.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    );
    const anchors = new Set(
      slugs.map((slug, at) => {
        const count = slugs.slice(0, at).filter((other) => other === slug).length;
        return count === 0 ? `#${slug}` : `#${slug}-${count}`;
      }),
    );
    const links = [...readme.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
    expect(links.length).toBeGreaterThan(0);
    const isGood = (link: string) => anchors.has(link) || link.startsWith("https://") || paths.includes(link);
    expect(links.filter((link) => !isGood(link))).toEqual([]);
    expect(readme).toContain("calls any public route with `registers_key`");
  });

  test("has a manifest whose files exist, and the libraries that the tests use", async () => {
    const { exports, ...rest } = manifest();
    const targets = Object.values(exports).flatMap((target) => (typeof target === "string" ? [target] : Object.values(target)));
    expect(targets.filter((target) => !existsSync(join(unpacked, target)))).toEqual([]);
    expect(rest).toMatchObject({
      name: "sallyport-client",
      version: project.version,
      license: project.license,
      type: "module",
      sideEffects: false,
      engines: { node: ">=20" },
    });
    expect(Object.keys(rest.dependencies)).toEqual([
      "@bufbuild/protobuf",
      "@connectrpc/connect",
      "@noble/ed25519",
      "@noble/hashes",
    ]);
    expect(await Bun.file(join(unpacked, "package.json")).json()).toEqual(manifest());
  });

  test("makes a browser bundle of at most 36 KB gzipped without noble, from files of the client alone", async () => {
    const outdir = join(folder, "bundle");
    const built = await Bun.build({
      entrypoints: [join(root, "src/client/index.ts")],
      outdir,
      target: "browser",
      minify: true,
      sourcemap: "linked",
      external: ["@noble/*"],
    });
    expect(built.success).toBe(true);
    const { sources, foreign } = await foreignSources(outdir, /^$/);
    expect(sources).toBeGreaterThan(40);
    expect(foreign).toEqual([]);
    const bytes = await gzipBytes(join(outdir, "index.js"));
    process.stdout.write(`the whole client without noble: ${bytes} bytes gzipped\n`);
    expect(bytes).toBeLessThanOrEqual(WHOLE_BYTES_MAX);
  });

  test("a file of the server in a bundle is noticed", async () => {
    const outdir = join(folder, "foreign");
    await Bun.build({ entrypoints: [join(root, "src/core/refusal.ts")], outdir, sourcemap: "linked" });
    expect((await foreignSources(outdir, /^$/)).foreign.join()).toContain("src/core/refusal.ts");
  });
});

test("the examples of the package's README are valid, and import only what the package exports", async () => {
  const readme = await Bun.file(join(root, "src/client/README.md")).text();
  const blocks = [...readme.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
  expect(blocks.length).toBeGreaterThan(4);
  const transpiler = new Bun.Transpiler({ loader: "js" });
  for (const code of blocks) expect(() => transpiler.transformSync(code)).not.toThrow();
  const imported = [...blocks.join("\n").matchAll(/import \{ ([^}]+) \} from "sallyport-client(\/node)?"/g)].flatMap(
    ([, names = "", node]) => names.split(", ").map((name) => ({ name, from: node ? nodeApi : api })),
  );
  expect(imported.length).toBeGreaterThan(5);
  expect(imported.filter(({ name, from }) => !Object.hasOwn(from, name)).map(({ name }) => name)).toEqual([]);
});
