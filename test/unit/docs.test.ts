import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fromJsonString } from "@bufbuild/protobuf";
import project from "../../package.json" with { type: "json" };
import { feedNotReady } from "../../src/app/feed.ts";
import { storeSettings } from "../../src/app/options.ts";
import { loadConfig } from "../../src/config/load.ts";
import { CONFIG_KEYS } from "../../src/config/schema.ts";
import { METRICS } from "../../src/core/metric-table.ts";
import { REFUSALS } from "../../src/core/refusal.ts";
import { deviceKey } from "../../src/crypto/device-key.ts";
import { requestSigningInput } from "../../src/crypto/signing-input.ts";
import { ExecuteCommandRequestSchema, file_sallyport_v1_gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { file_sallyport_v1_push } from "../../src/gen/sallyport/v1/push_pb.ts";
import { sharedFileBytes } from "../../src/stores/shared/open.ts";
import { generatedPages } from "../support/docs.ts";
import golden from "../vectors/golden.json";

/** What the documentation says of names, links, paths and bytes, checked against the code. */

const root = join(import.meta.dir, "../..");
/** What the examples install into their folders. */
const INSTALLED = /\/(?:node_modules|\.venv)\//;
const paths = ["*.md", "{proto,src,test}/**/*.md"]
  .flatMap((glob) => [...new Bun.Glob(glob).scanSync(root)])
  .filter((path) => !INSTALLED.test(path))
  .toSorted();
const pages = new Map(await Promise.all(paths.map(async (path) => [path, await read(path)] as const)));
const contract = pageOf("proto/README.md");
const everything = [...pages.values()].join("\n");

const README_BYTES_MAX = 16 * 1024;
const PAGE_BYTES_MAX = 25 * 1024;

function read(path: string): Promise<string> {
  return Bun.file(join(root, path)).text();
}

function pageOf(path: string): string {
  const page = pages.get(path);
  if (page === undefined) throw new Error(`${path} is not there`);
  return page;
}

function withoutCode(markdown: string): string {
  return markdown.replace(/^ *```[\s\S]*?^ *```$/gm, "");
}

function withoutGenerated(markdown: string): string {
  return markdown.replace(/<!-- (\w+): begin -->[\s\S]*?<!-- \1: end -->/g, "");
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(markdown: string): string[] {
  const headings = [...withoutCode(markdown).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

function linksOf(markdown: string): string[] {
  const links = [...withoutCode(markdown).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  return links.filter((link) => !/^https?:/.test(link));
}

function leadsSomewhere(link: string, from: string): boolean {
  const [file = "", anchor] = link.split("#");
  const target = file === "" ? from : join(dirname(from), file);
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || anchorsOf(pageOf(target)).includes(anchor);
}

test("the documentation has the pages that the README lists", () => {
  expect(paths).toEqual([
    "README.md",
    "proto/README.md",
    "proto/backend.md",
    "proto/client.md",
    "proto/details.md",
    "proto/examples/README.md",
    "proto/examples/express/README.md",
    "proto/examples/fastapi/README.md",
    "proto/examples/go/README.md",
    "proto/examples/php/README.md",
    "proto/public-routes.md",
    "src/README.md",
    "src/app/README.md",
    "src/app/deploy/README.md",
    "src/backend/README.md",
    "src/cli/README.md",
    "src/client/README.md",
    "src/config/README.md",
    "src/dev/README.md",
    "src/observe/README.md",
    "test/README.md",
  ]);
  const linksFrom = (page: string) => linksOf(pageOf(page)).map((link) => join(dirname(page), link.split("#")[0] ?? ""));
  const linked = [...linksFrom("README.md"), ...linksFrom("proto/examples/README.md")];
  expect(paths.filter((path) => path !== "README.md" && !linked.includes(path))).toEqual([]);
});

test.each(paths)("every relative link and anchor of %s resolves", (path) => {
  const links = linksOf(pageOf(path));
  expect(links.filter((link) => !leadsSomewhere(link, path))).toEqual([]);
});

test("a link that leads nowhere is noticed", () => {
  expect(leadsSomewhere("no-such-page.md", "README.md")).toBe(false);
  expect(leadsSomewhere("#no-such-heading", "README.md")).toBe(false);
});

test("no page is longer than can be read", () => {
  expect(Buffer.byteLength(pageOf("README.md"))).toBeLessThanOrEqual(README_BYTES_MAX);
  const long = paths.filter((path) => Buffer.byteLength(withoutGenerated(pageOf(path))) > PAGE_BYTES_MAX);
  expect(long).toEqual([]);
});

test("the generated tables are current (bun run docs)", async () => {
  for (const { path, text } of await generatedPages()) expect(pageOf(path)).toBe(text);
});

test("every script that the pages name exists, and the README names every script", () => {
  const named = [...everything.matchAll(/\bbun(?:@[\d.]+)? run ([a-z]+)/g)].map(([, script = ""]) => script);
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((script) => !Object.hasOwn(project.scripts, script))).toEqual([]);
  expect(Object.keys(project.scripts).filter((script) => !pageOf("README.md").includes(`bun run ${script}`))).toEqual([]);
});

test("every metric that the pages name exists", () => {
  const named = [...everything.matchAll(/\b((?:sallyport|process)_[a-z_]+)\b/g)].map(([, name = ""]) => name);
  expect([...new Set(named)].filter((name) => !Object.hasOwn(METRICS, name))).toEqual([]);
});

test("every setting that the pages name exists", () => {
  const groups = new Set(CONFIG_KEYS.filter((key) => key.includes(".")).map((key) => key.split(".")[0]));
  const named = [...withoutCode(everything).matchAll(/`([a-z_]+(?:\.[a-z_0-9]+)+)(?: = [^`]*)?`/g)].map(
    ([, name = ""]) => name,
  );
  const settings = [...new Set(named)].filter(
    (name) => groups.has(name.split(".")[0]) && name !== "grpc.health.v1" && !/\.(ts|md|json|py|file)$/.test(name),
  );
  expect(settings.length).toBeGreaterThan(30);
  expect(settings.filter((name) => !CONFIG_KEYS.some((key) => key === name || key.startsWith(`${name}.`)))).toEqual([]);
});

/** Two or more plain words in backticks are a log message, except for these. */
const NO_LOG_MESSAGE = /^(bun|sallyport|config|systemctl) |^(for await|appendfsync always)$/;

test("every log message that the pages name exists", async () => {
  const quoted = [...withoutCode(everything).matchAll(/`([a-z]+(?: [a-z]+)+)`/g)].map(([, words = ""]) => words);
  const printed = [...everything.matchAll(/"msg":"([^"]+)"/g)].map(([, message = ""]) => message);
  const named = new Set([...quoted.filter((words) => !NO_LOG_MESSAGE.test(words)), ...printed]);
  expect(named.size).toBeGreaterThan(10);
  const sources = await Promise.all([...new Bun.Glob("src/**/*.ts").scanSync(root)].map(read));
  expect([...named].filter((message) => !sources.some((text) => text.includes(`"${message}"`)))).toEqual([]);
});

test("every source path that the pages name exists", () => {
  const named = [...withoutCode(everything).matchAll(/`((?:src|test|proto)\/[\w./-]*)`/g)].map(([, path = ""]) => path);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test("the README has a line for every folder of src, and no other", () => {
  const table = /\| folder of `src\/`[\s\S]*?\n\n/.exec(pageOf("README.md"))?.[0] ?? "";
  const listed = [...table.matchAll(/^\| `(\w+)\/` \|/gm)].map(([, folder = ""]) => folder);
  const folders = [...new Bun.Glob("*").scanSync({ cwd: join(root, "src"), onlyFiles: false })].filter((name) =>
    statSync(join(root, "src", name)).isDirectory(),
  );
  expect(listed.toSorted()).toEqual(folders.toSorted());
});

test("every section of the contract that code, tests and examples name exists", async () => {
  const named: { readonly from: string; readonly path: string; readonly section: string }[] = [];
  const files = [...new Bun.Glob("{src,test,proto}/**/*.{ts,proto,py,mjs,js,go,php}").scanSync(root)];
  for (const from of files.filter((path) => !INSTALLED.test(path))) {
    const matches = (await read(from)).matchAll(/(proto\/[\w-]+\.md)\)?,[\s*]+((?:(?: and )?"[^"]+")+)/g);
    for (const [, path = "", sections = ""] of matches) {
      for (const [, section = ""] of sections.matchAll(/"([^"]+)"/g)) named.push({ from, path, section });
    }
  }
  expect(named.length).toBeGreaterThan(10);
  const hasHeading = (path: string, section: string) =>
    pageOf(path)
      .split("\n")
      .some((line) => /^#+ /.test(line) && line.endsWith(` ${section}`));
  expect(named.filter(({ path, section }) => !hasHeading(path, section))).toEqual([]);
});

test("the contract's catalogue of refusals is the code's, reason by reason and code by code", () => {
  const rows = contract.matchAll(/^\| `([A-Z_]+)` \| `([a-z_]+)` \|/gm).map(([, reason, code]) => `${reason} ${code}`);
  expect([...rows]).toEqual(Object.entries(REFUSALS).map(([reason, { code }]) => `${reason} ${code}`));
});

test("the contract names every field of every message, with its number", () => {
  const messages = [...file_sallyport_v1_gateway.messages, ...file_sallyport_v1_push.messages];
  for (const message of messages) {
    const row = contract.split("\n").find((line) => line.startsWith(`| \`${message.name}\` |`)) ?? "";
    const named = [...row.matchAll(/(\w+) \((\d+)\)/g)].map(([, name, number]) => `${name} ${number}`);
    expect(named).toEqual(message.fields.map(({ name, number }) => `${name} ${number}`));
  }
});

test("the contract's worked example is the first of the golden vectors, byte for byte", () => {
  const [, example = ""] = /field by field:\n\n```\n([\s\S]*?)```/.exec(contract) ?? [];
  const fields = [...example.matchAll(/^\w+ +([0-9a-f]{8}) {2}([0-9a-f]+)$/gm)].map(([, length, value]) => `${length}${value}`);
  const { request } = golden.cases[0] ?? { request: { signing_input: "", signature: "" } };
  expect(fields.join("")).toBe(Buffer.from(request.signing_input, "base64").toString("hex"));
  const signature = /signature +([0-9a-f]{64})\s+([0-9a-f]{64})/.exec(example)?.slice(1).join("");
  expect(signature).toBe(Buffer.from(request.signature, "base64").toString("hex"));
});

test.each([
  ["EdDSA", []],
  ["ES256", ["--es256"]],
] as const)("the signing script of the examples makes %s requests whose signature verifies", async (algorithm, flags) => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-sign-"));
  try {
    writeFileSync(join(folder, "sign.mjs"), await read("proto/examples/sign.mjs"));
    const run = (...args: string[]) => Bun.$`${process.execPath} sign.mjs ${[...flags, ...args]}`.cwd(folder).quiet();
    const publicKey = Buffer.from(await run().text(), "base64");
    const json = await run("ds-readme", "user.profile.update", '{"display_name":"Ada"}').text();
    const request = fromJsonString(ExecuteCommandRequestSchema, json);
    if (request.envelope === undefined) throw new Error("the request has no envelope");
    expect(Buffer.from(request.payloadBytes).toString()).toBe('{"display_name":"Ada"}');
    const key = deviceKey(algorithm, publicKey);
    expect(key?.verify(requestSigningInput(request.envelope), request.signature)).toBe(true);
    const { stdout: framed } = await run("ds-readme", "gateway.subscribe");
    const { byteLength } = framed;
    expect([...framed.subarray(0, 5)]).toEqual([0, 0, 0, (byteLength - 5) >> 8, (byteLength - 5) & 255]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the pages give the size of the shared file with the default sizes", () => {
  const { sessionCache, ...sizes } = storeSettings(loadConfig({ env: {} }));
  const mebibytes = Math.ceil(sharedFileBytes({ ...sizes, verifiedPeers: sessionCache }) / 2 ** 20);
  expect(pageOf("src/app/README.md")).toContain(`about ${mebibytes} MiB with the default sizes`);
  expect(pageOf("src/config/README.md")).toContain(`With the default settings, the file needs about ${mebibytes} MiB.`);
  expect(pageOf("src/app/deploy/README.md")).toContain(`must have ${mebibytes} MiB free`);
});

test("the README and the operators' page give the same size of the executable", () => {
  const [, size] = /one file of about (\d+ MB)/.exec(pageOf("README.md")) ?? [];
  expect(size).toMatch(/^\d/);
  expect(pageOf("src/app/README.md")).toContain(`writes executables of about ${size},`);
});

test("the operators' page names the reasons of /readyz, and how long a key is published before it signs", () => {
  const page = pageOf("src/app/README.md");
  const reasons = [false, true].flatMap((hasBeenUp) => feedNotReady({ hasBeenUp: () => hasBeenUp }, false));
  expect(reasons).toEqual(["the push feed has not come up yet", "the push feed is down"]);
  expect(page).toContain("the push feed has not come up yet");
  expect(page).toMatch(/`rotate_at`, a time at least 5 minutes after/);
});
