import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import project from "../../package.json" with { type: "json" };
import { commitOf } from "../support/executable/commit.ts";
import { NO_ARM64, runArm64 } from "../support/executable/emulator.ts";

/** `bun run build`: the same bytes in every folder, for both processors, with the commit in `sallyport version`. */

const root = join(import.meta.dir, "../..");
const BUILD_MS = 180_000;

let folder = "";
/** Two clones of one commit. */
let first = "";
let second = "";
let hash = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sallyport-build-"));
  first = await copySources("first");
  hash = await commit(first);
  second = join(folder, "a folder that is/deeper than the first");
  await run(folder, "git", "clone", "--quiet", first, second);
  for (const each of [first, second]) await build(each);
}, BUILD_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

async function copySources(name: string): Promise<string> {
  const copy = join(folder, name);
  const files = (await run(root, "git", "ls-files", "--cached", "--others", "--exclude-standard")).out.trim().split("\n");
  for (const file of files) {
    await mkdir(dirname(join(copy, file)), { recursive: true });
    await copyFile(join(root, file), join(copy, file));
  }
  return copy;
}

async function run(cwd: string, ...command: string[]) {
  const identity = { GIT_AUTHOR_NAME: "A", GIT_AUTHOR_EMAIL: "a@b", GIT_COMMITTER_NAME: "A", GIT_COMMITTER_EMAIL: "a@b" };
  const child = Bun.spawn(command, { cwd, env: { ...process.env, ...identity }, stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, out, err };
}

async function build(cwd: string): Promise<void> {
  const { code, out, err } = await run(cwd, process.execPath, "run", "build");
  if (code !== 0) throw new Error(`the build failed:\n${out}${err}`);
}

async function commit(cwd: string): Promise<string> {
  await run(cwd, "git", "init", "--quiet");
  await run(cwd, "git", "add", "--all");
  await run(cwd, "git", "commit", "--quiet", "--message", "Import");
  return (await run(cwd, "git", "rev-parse", "HEAD")).out.trim();
}

async function digests(cwd: string): Promise<Record<string, string>> {
  const names = (await readdir(join(cwd, "dist"))).toSorted();
  const digest = async (name: string) => new Bun.CryptoHasher("sha256").update(await Bun.file(join(cwd, "dist", name)).bytes());
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await digest(name)).digest("hex")] as const)));
}

test("two builds in two folders give the same bytes", async () => {
  const [one, other] = await Promise.all([digests(first), digests(second)]);
  expect(Object.keys(one).filter((name) => name.startsWith("sallyport"))).toEqual([
    "sallyport",
    `sallyport-client-${project.version}.tgz`,
    "sallyport-linux-arm64",
    "sallyport-linux-arm64.map",
    "sallyport-linux-x64",
    "sallyport-linux-x64.map",
    "sallyport.map",
  ]);
  expect(other).toEqual(one);
});

test.each([
  ["linux-x64", 62],
  ["linux-arm64", 183],
])("the ELF header of %s names a 64-bit executable of its processor", async (target, machine) => {
  const header = await Bun.file(join(first, "dist", `sallyport-${target}`))
    .slice(0, 20)
    .bytes();
  const view = new DataView(header.buffer);
  expect([...header.subarray(0, 6)]).toEqual([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  expect([view.getUint16(16, true), view.getUint16(18, true)]).toEqual([2, machine]);
});

test.skipIf(NO_ARM64 !== undefined)(
  NO_ARM64 ?? "the executable for arm64 runs the demonstration in an emulator",
  async () => {
    const executable = join(first, "dist/sallyport-linux-arm64");
    expect((await run(folder, ...runArm64(executable, "version"))).out).toContain(hash);
    const { code, out, err } = await run(folder, ...runArm64(executable, "demo"));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("steps passed");
  },
  BUILD_MS,
);

test("version names the commit of the clone", async () => {
  const { out } = await run(folder, join(first, "dist/sallyport"), "version");
  expect(out).toBe(`sallyport ${project.version} (commit ${hash}, Bun ${project.engines.bun})\n`);
});

test("an unknown target is refused before anything is built", async () => {
  const { code, err } = await run(second, process.execPath, "test/support/build.ts", "linux-riscv64");
  expect(code).toBe(2);
  expect(err).toBe("there is no target linux-riscv64; the targets are linux-x64 and linux-arm64\n");
});

describe("the commit of a folder", () => {
  test("a clone has one; changed and new files mark it as modified", async () => {
    const clone = await copyOf("clone", { "a.txt": "1", ".gitignore": "dist/\n" });
    const hash = await commit(clone);
    await mkdir(join(clone, "dist"));
    await writeFile(join(clone, "dist/ignored"), "");
    expect(commitOf(clone)).toBe(hash);
    await writeFile(join(clone, "new.txt"), "");
    expect(commitOf(clone)).toBe(`${hash}-modified`);
  });

  test("a source archive inside another clone has none, nor has a repository without a commit", async () => {
    const outer = await copyOf("outer", { "inner/a.txt": "1" });
    await commit(outer);
    expect(commitOf(join(outer, "inner"))).toBe("unknown");
    const empty = await copyOf("empty", {});
    await run(empty, "git", "init", "--quiet");
    expect(commitOf(empty)).toBe("unknown");
    expect(commitOf(await copyOf("archive", { "a.txt": "1" }))).toBe("unknown");
  });

  test("variables that Git sets for its hooks do not name another repository", async () => {
    const other = await copyOf("other", { "a.txt": "other" });
    await commit(other);
    const clone = await copyOf("hooked", { "a.txt": "1" });
    const hash = await commit(clone);
    process.env["GIT_DIR"] = join(other, ".git");
    try {
      expect(commitOf(clone)).toBe(hash);
    } finally {
      delete process.env["GIT_DIR"];
    }
  });
});

async function copyOf(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(path, file)), { recursive: true });
    await writeFile(join(path, file), text);
  }
  return path;
}
