import { expect, test } from "bun:test";
import { join } from "node:path";

const SOURCE = join(import.meta.dir, "../../../src/workers/child-stderr.ts");

/** What is kept of a child's standard error. The copy goes to the standard error of a process in between. */
async function kept(text: string): Promise<string> {
  const program = `
    import { copyStderr } from ${JSON.stringify(SOURCE)};
    const child = Bun.spawn([process.execPath, "-e", "process.stderr.write(" + ${JSON.stringify(JSON.stringify(text))} + ")"], { stderr: "pipe" });
    process.stdout.write(JSON.stringify(await copyStderr(child.stderr)));`;
  const copy = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", stderr: "ignore" });
  return String(await new Response(copy.stdout).json());
}

test("of a panic, an operator sees its first and last lines", async () => {
  const lines = Array.from({ length: 500 }, (_, n) => `line ${n}`);
  const text = await kept(["panic: the cause", ...lines, "the last line"].join("\n"));
  expect(text).toStartWith("panic: the cause\nline 0\n");
  expect(text).toContain("\n…\n");
  expect(text).toEndWith("line 499\nthe last line");
  expect(text.length).toBeLessThan(2048);
});

test("a text of two thirds of the bound is kept whole", async () => {
  const text = `${"a".repeat(700)}\n${"b".repeat(500)}`;
  expect(await kept(text)).toBe(text);
});

test("a cut through a character leaves no half of it", async () => {
  const text = await kept(`a${"\u{1f511}".repeat(1000)}a`);
  expect(text.isWellFormed()).toBe(true);
  expect(text).toContain("\u{1f511}\ufffd\n…\n\ufffd\u{1f511}");
});
