import { expect, test } from "bun:test";
import { basename, dirname, join, normalize } from "node:path";
import { CONFIG_KEYS } from "../src/config/schema.ts";
import { IMPORT_RULES } from "./support/import-rules.ts";

/** The rules of the repository that no compiler checks. */

const root = join(import.meta.dir, "..");

/** Packages and globals that only some folders may use. */
const ONLY_IN: readonly { what: string; pattern: RegExp; where: RegExp }[] = [
  { what: "Elysia", pattern: /from "elysia"/, where: /^src\/transport\/bun\// },
  { what: "process.env", pattern: /process\.env|Bun\.env/, where: /^src\/(config\/load|cli\/environment)\.ts$/ },
  { what: "Redis", pattern: /RedisClient|Bun\.redis/, where: /^src\/stores\/redis\// },
  { what: "foreign functions", pattern: /from "bun:ffi"/, where: /^src\/transport\/linux\// },
  { what: "SQLite", pattern: /from "bun:sqlite"/, where: /^src\/dev\// },
];

/** The entry points of the client's package. They re-export what is public. */
const ENTRY_POINTS = ["src/client/index.ts", "src/client/node.ts"];

/** Clock and randomness are injected in these rooms, so that tests can control them. */
const NO_AMBIENT = /^src\/(pipeline|stores|hub|rpc)\//;
const CLOCK = /Date\.now\(|\bDate\(\)|new Date\b(?!\()|performance\.(now\(|timeOrigin)|process\.hrtime|Bun\.nanoseconds/;
const RANDOMNESS = /Math\.random\(|getRandomValues|random(UUID(v7)?|Bytes|Int|Fill)(Sync)?\(/;
/** These files draw secret keys and an id. No behaviour depends on their values. */
const DRAWN_KEYS = ["src/stores/memory/fingerprint.ts", "src/stores/redis/open.ts", "src/stores/shared/file-layout.ts"];

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
  const allowed = IMPORT_RULES[folder]?.mayImport;
  if (allowed === undefined) return [`${source.path}: ${folder} has no import rule`];
  return targetsOf(source)
    .filter((target) => target.startsWith("src/") && folderOf(target) !== folder)
    .filter((target) => !allowed.some((rule) => folderOf(target) === rule || target === `src/${rule}`))
    .map((target) => `${source.path} imports ${target}`);
}

test("a room imports only the rooms that its rule names", async () => {
  const all = await sources("src/**/*.ts");
  expect(all.length).toBeGreaterThan(50);
  expect(all.flatMap(forbiddenImports)).toEqual([]);
});

/** What each folder of `src/transport` may import of the others. `.` stands for the files beside the folders. */
const TRANSPORT_FOLDERS: Readonly<Record<string, readonly string[]>> = {
  linux: [],
  peer: [],
  tls: [],
  limits: ["linux", "peer"],
  ".": ["linux", "peer"],
  bun: [".", "limits", "linux", "peer"],
  h2: [".", "limits", "linux", "peer"],
  mux: [".", "bun", "h2", "limits", "linux", "peer"],
};

test("the folders of src/transport import each other in one direction", async () => {
  const folderIn = (path: string) => /^src\/transport\/(?:([a-z0-9]+)\/)?/.exec(path)?.[1] ?? ".";
  const wrong = (await sources("src/transport/**/*.ts")).flatMap((source) => {
    const folder = folderIn(source.path);
    const allowed = [folder, ...(TRANSPORT_FOLDERS[folder] ?? [])];
    const others = targetsOf(source).filter((path) => path.startsWith("src/transport/") && !allowed.includes(folderIn(path)));
    return others.map((path) => `${source.path} imports ${path}`);
  });
  expect(wrong).toEqual([]);
  expect(circlesOf(new Map(Object.entries(TRANSPORT_FOLDERS)))).toEqual([]);
});

test("the page of the playground uses the client as it is published, and nothing of the server", async () => {
  const page = await sources("src/dev/playground/page/**/*.ts");
  expect(page.length).toBeGreaterThan(20);
  const outside = page.flatMap((source) =>
    importsOf(source).filter((name) => !/^\.\/[\w-]+\.ts$/.test(name) && name !== "../../../client/index.ts"),
  );
  // The answer of `GET /playground/setup`: types only.
  expect([...new Set(outside)]).toEqual(["../setup.ts"]);
  const others = (await sources("src/dev/**/*.ts")).filter((source) => !page.some(({ path }) => path === source.path));
  expect(others.filter((source) => targetsOf(source).some((target) => target.startsWith("src/client/")))).toEqual([]);
});

test("the import rule notices a wrong import", () => {
  const wrong = { path: "src/pipeline/x.ts", text: 'import { Hub } from "../hub/hub.ts";' };
  expect(forbiddenImports(wrong)).toEqual(["src/pipeline/x.ts imports src/hub/hub.ts"]);
});

test("a package or a global of one folder is used in no other folder", async () => {
  const all = await sources("src/**/*.ts");
  const strays = ONLY_IN.flatMap(({ what, pattern, where }) =>
    all.filter(({ path, text }) => pattern.test(text) && !where.test(path)).map(({ path }) => `${what} in ${path}`),
  );
  expect(strays).toEqual([]);
});

test("pipeline, stores, hub and rpc read no clock and no randomness of their own, except for keys", async () => {
  const rooms = (await sources("src/**/*.ts")).filter(({ path }) => NO_AMBIENT.test(path));
  const using = (ambient: RegExp) => rooms.filter(({ text }) => ambient.test(text)).map(({ path }) => path);
  expect(using(CLOCK)).toEqual([]);
  expect(using(RANDOMNESS)).toEqual(DRAWN_KEYS);
});

test.each(["Date.now()", "new Date()", "new Date", "performance.now()", "process.hrtime.bigint()", "Bun.nanoseconds()"])(
  "%s reads a clock",
  (code) => expect(CLOCK.test(`f(${code});`)).toBe(true),
);

test.each(["Math.random()", "crypto.randomUUID()", "crypto.getRandomValues(bytes)", "randomBytes(8)", "Bun.randomUUIDv7()"])(
  "%s draws randomness",
  (code) => expect(RANDOMNESS.test(`f(${code});`)).toBe(true),
);

test("a date of a given time is no clock", () => {
  expect(CLOCK.test("new Date(seenAtMs)")).toBe(false);
});

/** These rooms know no setting. If an error message names a setting, `app` passes the name. */
const NO_SETTING_NAMES = /^src\/(hub|stores|backend\/redis)\//;

test("hub and stores spell no name of a setting", async () => {
  const names = CONFIG_KEYS.filter((key) => key.includes(".")).map((key) => key.replaceAll(".", "\\."));
  const named = new RegExp(`(?<![\\w.])(?:${names.join("|")})(?!\\w)`);
  const files = (await sources("src/**/*.ts")).filter(({ path }) => NO_SETTING_NAMES.test(path));
  expect(files.length).toBeGreaterThan(50);
  expect(files.filter(({ text }) => named.test(text)).map(({ path }) => path)).toEqual([]);
  expect(named.test("set another stores.redis.prefix")).toBe(true);
});

test("each proof of the pipeline is built in one file", async () => {
  const makers = new Map<string, string[]>();
  for (const { path, text } of await sources("src/**/*.ts")) {
    for (const [, name = ""] of text.matchAll(/proven<(\w+)>\(/g)) makers.set(name, [...(makers.get(name) ?? []), path]);
  }
  makers.delete("T");
  expect(makers.size).toBe(7);
  expect([...makers].filter(([, paths]) => paths.length > 1)).toEqual([]);
});

test("a relative import names a file with its extension, and no file re-exports another, except entry points", async () => {
  const all = await sources("{src,test}/**/*.ts");
  const vague = all.filter((source) =>
    importsOf(source).some((name) => name.startsWith(".") && !/\.(ts|json|html)$|\/\.cache\/.*_pb\.js$/.test(name)),
  );
  expect(vague.map(({ path }) => path)).toEqual([]);
  const reExporting = all.filter(({ text }) => /^export (\*|(type )?\{[^}]*\}) from/m.test(text)).map(({ path }) => path);
  expect(reExporting.filter((path) => !ENTRY_POINTS.includes(path))).toEqual([]);
});

test("a skipped test gives its reason", async () => {
  const silent = (await sources("test/**/*.test.ts")).flatMap(({ path, text }) =>
    text
      .split("\n")
      .filter((line) => /\b(test|it|describe)\.(skip|skipIf|todo|only)\b/.test(line) && !/skipIf|skipped: /.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );
  expect(silent).toEqual([]);
});

/** A longer file holds a second concept. */
const LINES_MAX = 300;
/** A folder with more files holds a second concept. */
const FILES_MAX = 12;

test("no file of src/ is longer than 300 lines", async () => {
  const long = (await sources("src/**/*.ts")).filter(({ text }) => text.trimEnd().split("\n").length > LINES_MAX);
  expect(long.map(({ path }) => path)).toEqual([]);
});

/** A shorter file belongs into the file that uses it. */
const LINES_MIN = 15;

/** The shorter files, by the reason why no other file can take them in. */
const SHORT_FILES: Readonly<Record<string, readonly string[]>> = {
  "a check of the pipeline": ["pipeline/payload-hash.ts", "pipeline/signature.ts"],
  "an entry point of the client's package": ["client/node.ts"],
  "the options of one command": ["cli/specs/logout.ts", "cli/specs/whoami.ts"],
  "several rooms share the type": ["core/flat-schema.ts", "core/upgrade.ts"],
  "several files share it, and none of them owns it": [
    ...["client/deferred.ts", "client/timer-ms.ts", "dev/playground/page/message-of.ts", "schema/schema-problem.ts"],
  ],
  "commands that must not load the gateway use it": ["cli/serve-defaults.ts", "config/variables.ts"],
  "names of JSON files, which mean something else elsewhere": ["schema/metaschemas.ts"],
};

test("no file of src/ is shorter than 15 lines, except for a reason", async () => {
  const short = (await sources("src/**/*.ts")).filter(({ text }) => text.trimEnd().split("\n").length < LINES_MIN);
  const excepted = Object.values(SHORT_FILES).flat();
  expect(short.map(({ path }) => path.replace("src/", "")).sort()).toEqual(excepted.sort());
});

/** The names that several files of `src/` have, because the files are about the same noun. The values are their folders. */
const SAME_NOUN: Readonly<Record<string, readonly string[]>> = {
  "admission.ts": ["app", "core", "hub"],
  "answers.ts": ["core", "stores/memory", "stores/redis"],
  "backend.ts": ["app", "app/probe", "core", "dev"],
  "buckets.ts": ["core", "stores/memory", "stores/redis"],
  "budgets.ts": ["config", "pipeline"],
  "bytes.ts": ["client", "dev/playground/page"],
  "device-key.ts": ["client", "crypto"],
  "ed25519.ts": ["client", "crypto"],
  "feed.ts": ["app", "app/probe"],
  "flat-schema.ts": ["core", "schema"],
  "gateway-service.ts": ["client", "service"],
  "held-counts.ts": ["core", "stores/shared"],
  "http-source.ts": ["app", "backend/publish"],
  "limits.ts": ["core", "dev", "rpc"],
  "main.ts": ["", "dev/playground/page"],
  "messages.ts": ["upgrade", "workers"],
  "open.ts": ["hub", "stores", "stores/redis", "stores/shared"],
  "options.ts": ["app", "client", "hub", "rpc"],
  "path-pattern.ts": ["config", "core"],
  "payload-schema.ts": ["openapi/schemas", "schema"],
  "playground.ts": ["cli", "dev/playground/page"],
  "predecessor.ts": ["cli", "upgrade"],
  "public-routes.ts": ["config", "core", "service/public"],
  "reload.ts": ["app", "config", "core"],
  "replay.ts": ["stores/memory", "stores/redis"],
  "revocations.ts": ["core", "stores/redis"],
  "route-prefixes.ts": ["config", "openapi"],
  "shared-memory.ts": ["app", "transport/linux"],
  "subscription.ts": ["client", "hub"],
  "telemetry.ts": ["app", "core"],
  "upgrade.ts": ["core", "upgrade"],
  "upstreams.ts": ["backend/upstreams", "config"],
};

/** The file of a command, or of its options, has the name of the command. The name is a verb more often than a noun. */
function isCommand({ path, text }: Source): boolean {
  const folder = dirname(path);
  return folder === "src/cli/specs" || (folder === "src/cli" && /^export (async )?function run\(/m.test(text));
}

test("two files of src/ have the same name only if they are about the same noun", async () => {
  const files = (await sources("src/**/*.ts")).filter((source) => !isCommand(source)).map(({ path }) => path);
  const repeated = [...Map.groupBy(files, (path) => basename(path))].filter(([, paths]) => paths.length > 1);
  const folders = repeated.map(([name, paths]) => [name, paths.map((path) => dirname(path).replace(/^src\/?/, "")).sort()]);
  expect(Object.fromEntries(folders)).toEqual(SAME_NOUN);
});

test("no folder under src/transport, src/service and src/admin holds more than 12 files", async () => {
  const files = await sources("src/{transport,service,admin}/**/*.ts");
  const perFolder = Map.groupBy(files, ({ path }) => dirname(path));
  expect(perFolder.size).toBeGreaterThan(8);
  const crowded = [...perFolder].filter(([, members]) => members.length > FILES_MAX).map(([folder]) => folder);
  expect(crowded).toEqual([]);
});

const scanner = new Bun.Transpiler({ loader: "ts" });

/** What each file loads at run time: its relative imports without those of types. */
function loadGraph(files: readonly Source[]): Map<string, string[]> {
  const loads = ({ path, text }: Source) =>
    scanner
      .scanImports(text)
      .filter((loaded) => loaded.path.startsWith("."))
      .map((loaded) => normalize(join(dirname(path), loaded.path)));
  return new Map(files.map((file) => [file.path, loads(file)]));
}

/** What each file needs to be understood: its relative imports, also those of types. */
function importGraph(files: readonly Source[]): Map<string, string[]> {
  return new Map(files.map((file) => [file.path, targetsOf(file)]));
}

/** The first circle on each path through the graph, as "a -> b -> a". */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): void => {
    const start = path.indexOf(node);
    if (start >= 0) circles.push([...path.slice(start), node].join(" -> "));
    if (start >= 0 || done.has(node)) return;
    for (const next of graph.get(node) ?? []) visit(next, [...path, node]);
    done.add(node);
  };
  for (const node of graph.keys()) visit(node, []);
  return circles;
}

test("no files of src/ import each other in a circle", async () => {
  const graph = importGraph(await sources("src/**/*.ts"));
  expect(graph.get("src/main.ts")).not.toEqual([]);
  expect(circlesOf(graph)).toEqual([]);
});

test("the client for browsers loads no module of Node or Bun, and only the packages of its own package", async () => {
  const all = await sources("src/**/*.ts");
  const files = new Map(all.map((file) => [file.path, file]));
  const graph = loadGraph(all);
  const reached = new Set(["src/client/index.ts"]);
  for (const path of reached) for (const next of graph.get(path) ?? []) reached.add(next);
  const packages = [...reached].flatMap((path) => {
    const text = files.get(path)?.text;
    const loaded = text === undefined ? [] : scanner.scanImports(text).map((one) => one.path);
    return loaded.filter((name) => !name.startsWith("."));
  });
  const allowed = /^(@bufbuild\/protobuf|@connectrpc\/connect|@noble\/(ed25519|hashes))(\/|$)/;
  expect(reached.size).toBeGreaterThan(20);
  expect(packages.filter((name) => !allowed.test(name))).toEqual([]);
});

/** What the client of the command line loads. The gateway would make each of its commands start later. */
const CLIENT_LOADS = /^src\/(cli|client|core|crypto|gen)\/|^src\/config\/(suggest|variables)\.ts$/;

function loadedBy(start: string, graph: ReadonlyMap<string, readonly string[]>): Set<string> {
  const loaded = new Set<string>();
  const visit = (path: string): void => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const next of graph.get(path) ?? []) visit(next);
  };
  visit(start);
  return loaded;
}

test("the commands of the client load nothing of the gateway, not even later", async () => {
  const graph = loadGraph(await sources("src/**/*.ts"));
  const commands = ["login", "call", "listen", "whoami", "logout"].filter((name) => graph.has(`src/cli/${name}.ts`));
  expect(commands.length).toBeGreaterThan(3);
  for (const name of commands) {
    const loaded = [...loadedBy(`src/cli/${name}.ts`, graph)].filter((path) => !path.startsWith("src/gen/"));
    expect(loaded.filter((path) => !CLIENT_LOADS.test(path))).toEqual([]);
  }
  expect([...loadedBy("src/cli/serve.ts", graph)].filter((path) => !CLIENT_LOADS.test(path)).length).toBeGreaterThan(50);
});

test("no rooms import each other in a circle", () => {
  const rules = Object.entries(IMPORT_RULES).map(
    ([room, { mayImport }]) => [room, mayImport.map((rule) => rule.split("/")[0] ?? "")] as const,
  );
  expect(circlesOf(new Map(rules))).toEqual([]);
});

test("the circle rule finds a circle of imports, also of types", () => {
  const a = { path: "src/core/a.ts", text: 'import { b } from "./b.ts";\nb();' };
  const b = { path: "src/core/b.ts", text: 'import { c } from "./c.ts";\nexport const b = () => c();' };
  const c = { path: "src/core/c.ts", text: 'import { a } from "./a.ts";\nexport const c = () => a();' };
  const ofTypes = { ...c, text: 'import type { A } from "./a.ts";\nexport const c = (): A => 1;' };
  const circle = ["src/core/a.ts -> src/core/b.ts -> src/core/c.ts -> src/core/a.ts"];
  expect(circlesOf(importGraph([a, b, c]))).toEqual(circle);
  expect(circlesOf(importGraph([a, b, ofTypes]))).toEqual(circle);
  expect(circlesOf(importGraph([a, b]))).toEqual([]);
});
