import { expect, test } from "bun:test";
import { dirname, join, normalize } from "node:path";

/** The rules of the house that no compiler checks. */

const root = join(import.meta.dir, "..");

/** Who may import whom, by folder of src/. A folder may always import itself.  */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  gen: [],
  core: [],
  hpack: [],
  crypto: ["core"],
  observe: ["core"],
  config: ["core"],
  stores: ["core"],
  rpc: ["gen", "core/clock.ts", "core/content-coding.ts", "core/live-set.ts", "core/media-type.ts"],
  pipeline: ["core", "crypto", "gen"],
  hub: ["core", "crypto", "gen", "rpc/frame.ts"],
  backend: ["core", "gen", "hpack"],
  transport: ["core", "hpack", "rpc"],
  service: ["core", "crypto", "gen", "rpc", "pipeline", "hub"],
  admin: ["core", "hub", "transport"],
  client: ["gen", "crypto/signing-input.ts", "core/grammar.ts", "core/refusal.ts"],
  dev: ["core", "gen"],
  app: [
    ...["admin", "backend", "config", "core", "crypto", "gen", "hub", "observe", "pipeline", "rpc", "service", "stores"],
    "transport",
  ],
  cli: ["app", "client", "config", "core", "crypto", "dev", "observe"],
  main: ["cli"],
};

/** Packages and globals that belong to some folders alone. */
const ONLY_IN: readonly { what: string; pattern: RegExp; where: RegExp }[] = [
  { what: "Elysia", pattern: /from "elysia"/, where: /^src\/transport\/bun\// },
  { what: "process.env", pattern: /process\.env|Bun\.env/, where: /^src\/config\/load\.ts$/ },
  { what: "Redis", pattern: /RedisClient|Bun\.redis/, where: /^src\/stores\/redis\// },
  {
    what: "foreign functions",
    pattern: /from "bun:ffi"/,
    where: /^src\/transport\/linux\//,
  },
  { what: "SQLite", pattern: /from "bun:sqlite"/, where: /^src\/dev\// },
];

/** Time and chance are injected here: whoever reads them directly cannot be tested. */
const NO_AMBIENT = /^src\/(pipeline|stores|hub|rpc)\//;
const AMBIENT = /Date\.now\(|performance\.now\(|Math\.random\(|new Date\(\)/;

interface Source {
  readonly path: string;
  readonly text: string;
}

async function sources(pattern: string): Promise<Source[]> {
  const paths = [...new Bun.Glob(pattern).scanSync(root)].filter((path) => !path.startsWith("src/gen/")).sort();
  return Promise.all(paths.map(async (path) => ({ path, text: await Bun.file(join(root, path)).text() })));
}

function importsOf({ text }: Source): string[] {
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1] ?? "");
}

function folderOf(path: string): string {
  const [, first = "", ...rest] = path.split("/");
  return rest.length === 0 ? first.replace(/\.ts$/, "") : first;
}

/** Relative imports as paths from the root. */
function targetsOf(source: Source): string[] {
  const relative = importsOf(source).filter((name) => name.startsWith("."));
  return relative.map((name) => normalize(join(dirname(source.path), name)));
}

function forbiddenImports(source: Source): string[] {
  const folder = folderOf(source.path);
  const allowed = MAY_IMPORT[folder];
  if (allowed === undefined) return [`${source.path}: ${folder} has no import rule`];
  return targetsOf(source)
    .filter((target) => target.startsWith("src/") && folderOf(target) !== folder)
    .filter((target) => !allowed.some((rule) => folderOf(target) === rule || target === `src/${rule}`))
    .map((target) => `${source.path} imports ${target}`);
}

test("each folder imports only what lies beneath it", async () => {
  const all = await sources("src/**/*.ts");
  expect(all.length).toBeGreaterThan(50);
  expect(all.flatMap(forbiddenImports)).toEqual([]);
});

test("the import rule notices a wrong import", () => {
  const wrong = { path: "src/pipeline/x.ts", text: 'import { Hub } from "../hub/hub.ts";' };
  expect(forbiddenImports(wrong)).toEqual(["src/pipeline/x.ts imports src/hub/hub.ts"]);
});

test("a library or a global that belongs to one place is used there alone", async () => {
  const all = await sources("src/**/*.ts");
  const strays = ONLY_IN.flatMap(({ what, pattern, where }) =>
    all.filter(({ path, text }) => pattern.test(text) && !where.test(path)).map(({ path }) => `${what} in ${path}`),
  );
  expect(strays).toEqual([]);
});

test("pipeline, stores, hub and rpc take time and chance from outside", async () => {
  const all = await sources("src/**/*.ts");
  expect(all.filter(({ path, text }) => NO_AMBIENT.test(path) && AMBIENT.test(text)).map(({ path }) => path)).toEqual([]);
});

test("each proof of the pipeline is made in one file", async () => {
  const makers = new Map<string, string[]>();
  for (const { path, text } of await sources("src/**/*.ts")) {
    for (const [, name = ""] of text.matchAll(/proven<(\w+)>\(/g)) makers.set(name, [...(makers.get(name) ?? []), path]);
  }
  makers.delete("T");
  expect(makers.size).toBe(7);
  expect([...makers].filter(([, paths]) => paths.length > 1)).toEqual([]);
});

test("relative imports name their file, and no file only passes on what others export", async () => {
  const all = await sources("{src,test}/**/*.ts");
  const vague = all.filter((source) =>
    importsOf(source).some((name) => name.startsWith(".") && !/\.(ts|json)$|\/\.cache\/.*_pb\.js$/.test(name)),
  );
  expect(vague.map(({ path }) => path)).toEqual([]);
  expect(all.filter(({ text }) => /^export (\*|\{[^}]*\}) from/m.test(text)).map(({ path }) => path)).toEqual([]);
});

test("a skipped test says why", async () => {
  const silent = (await sources("test/**/*.test.ts")).flatMap(({ path, text }) =>
    text
      .split("\n")
      .filter((line) => /\b(test|it|describe)\.(skip|skipIf|todo|only)\b/.test(line) && !/skipIf|skipped: /.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );
  expect(silent).toEqual([]);
});

/** Not a limit: a list to look at. A file that outgrows this has a second noun in it. */
const LINES_TO_LOOK_AT = 300;

test("files stay small enough to be read at once", async () => {
  const long = (await sources("src/**/*.ts")).filter(({ text }) => text.split("\n").length > LINES_TO_LOOK_AT);
  expect(long.map(({ path }) => path)).toEqual([]);
});
