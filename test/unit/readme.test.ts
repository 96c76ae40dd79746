import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fromJsonString } from "@bufbuild/protobuf";
import project from "../../package.json" with { type: "json" };
import { feedNotReady } from "../../src/app/feed.ts";
import { METRICS } from "../../src/core/metric-table.ts";
import { REFUSALS } from "../../src/core/refusal.ts";
import { verifyingKey } from "../../src/crypto/ed25519.ts";
import { requestSigningInput } from "../../src/crypto/signing-input.ts";
import { ExecuteCommandRequestSchema, file_sallyport_v1_gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { file_sallyport_v1_push } from "../../src/gen/sallyport/v1/push_pb.ts";
import { withTable } from "../support/readme-table.ts";
import golden from "../vectors/golden.json";

/** What the two pages say of names, links and bytes, held against the code. */

const root = join(import.meta.dir, "../..");
const readme = await page("README.md");
const contract = await page("proto/README.md");

function page(path: string): Promise<string> {
  return Bun.file(join(root, path)).text();
}

function withoutCode(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```$/gm, "");
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

/** The relative links of a page that lead nowhere. */
async function brokenLinks(path: string): Promise<string[]> {
  const markdown = await page(path);
  const links = [...withoutCode(markdown).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  const relative = links.filter((link) => !/^https?:/.test(link));
  expect(relative.length).toBeGreaterThan(10);
  const broken = await Promise.all(relative.map(async (link) => ((await leadsSomewhere(link, path, markdown)) ? [] : [link])));
  return broken.flat();
}

async function leadsSomewhere(link: string, from: string, markdown: string): Promise<boolean> {
  const [file = "", anchor] = link.split("#");
  const target = file === "" ? from : join(dirname(from), file);
  if (!existsSync(join(root, target))) return false;
  if (anchor === undefined) return true;
  return anchorsOf(file === "" ? markdown : await page(target)).includes(anchor);
}

test("the configuration table is the schema's (bun test/support/readme-table.ts writes it anew)", () => {
  expect(readme).toBe(withTable(readme));
});

test.each(["README.md", "proto/README.md"])("every link of %s leads somewhere", async (path) => {
  expect(await brokenLinks(path)).toEqual([]);
});

test("every script that the README names is there", () => {
  const named = [...readme.matchAll(/\bbun(?:@[\d.]+)? run ([a-z]+)/g)].map(([, script = ""]) => script);
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((script) => !Object.hasOwn(project.scripts, script))).toEqual([]);
});

test("every script that there is, the README names", () => {
  expect(Object.keys(project.scripts).filter((script) => !readme.includes(`bun run ${script}`))).toEqual([]);
});

test("the README names every metric, and none that is not there", () => {
  const named = [...new Set([...readme.matchAll(/`((?:sallyport|process)_[a-z_]+)`/g)].map(([, name = ""]) => name))];
  expect(named.toSorted()).toEqual(Object.keys(METRICS).toSorted());
});

test("every section of the contract that the code names is there", async () => {
  const sections = new Set<string>();
  for (const path of new Bun.Glob("src/**/*.ts").scanSync(root)) {
    const text = await page(path);
    for (const [, section = ""] of text.matchAll(/proto\/README\.md\)?, "([^"]+)"/g)) sections.add(section);
  }
  expect(sections.size).toBeGreaterThan(3);
  const headings = contract.matchAll(/^#+ (.+)$/gm).map(([, heading]) => heading);
  expect([...sections.difference(new Set(headings))]).toEqual([]);
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

test("the script that the README signs with makes requests whose signature verifies", async () => {
  const [, script = ""] = /^```js\n([\s\S]*?)^```$/m.exec(readme) ?? [];
  const folder = mkdtempSync(join(tmpdir(), "sallyport-readme-"));
  try {
    writeFileSync(join(folder, "sign.mjs"), script);
    const run = (...args: string[]) => Bun.$`${process.execPath} sign.mjs ${args}`.cwd(folder).quiet();
    const publicKey = Buffer.from(await run().text(), "base64");
    const json = await run("ds-readme", "user.profile.update", '{"display_name":"Ada"}').text();
    const request = fromJsonString(ExecuteCommandRequestSchema, json);
    if (request.envelope === undefined) throw new Error("the request has no envelope");
    expect(Buffer.from(request.payloadBytes).toString()).toBe('{"display_name":"Ada"}');
    expect(verifyingKey(publicKey).verify(requestSigningInput(request.envelope), request.signature)).toBe(true);
    const { stdout: framed } = await run("ds-readme", "gateway.subscribe");
    const { byteLength } = framed;
    expect([...framed.subarray(0, 5)]).toEqual([0, 0, 0, (byteLength - 5) >> 8, (byteLength - 5) & 255]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("says when the gateway is not ready, in the words of /readyz", () => {
  const reasons = [false, true].flatMap((hasBeenUp) => feedNotReady({ hasBeenUp: () => hasBeenUp }, false));
  for (const reason of ["the push feed has not come up yet", "the push feed is down"]) expect(reasons).toContain(reason);
  expect(readme).toContain("the push feed has not come up yet");
  expect(readme).toContain("is not ready until the push feed has come up");
});

test("promises of a rotation no more than that every answer verifies: it takes restarts, which end streams", () => {
  const rotation = readme.slice(readme.indexOf("**Rotating the key**"), readme.indexOf("**Changing budgets**"));
  expect(rotation).toMatch(/restarts\. Each ends every stream/);
  expect(rotation).not.toContain("no client notices");
});
