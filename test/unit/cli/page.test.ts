import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT_TEXTS } from "../../../src/cli/exit-code.ts";
import { ALL_COMMANDS } from "../../../src/cli/specs/all.ts";

/** What the page of the command line says, checked against the code and against what the commands print. */

const root = join(import.meta.dir, "../../..");
const page = readFileSync(join(root, "src/cli/README.md"), "utf8");
const transcripts = join(root, "test/integration/cli/transcripts");

test("the page's exit codes are those of the code", () => {
  const rows = [...page.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map(([, code, text]) => `${code} ${text}`);
  expect(rows).toEqual(EXIT_TEXTS.map(([code, text]) => `${code} ${text}`));
});

test("the output that the page shows was recorded", () => {
  const recorded = readdirSync(transcripts).map((name) => readFileSync(join(transcripts, name), "utf8"));
  const blocks = [...page.matchAll(/```\n((?:\$|2>)[\s\S]*?)```/g)].map(([, block = ""]) => block);
  expect(blocks.length).toBeGreaterThan(2);
  for (const block of blocks) expect(recorded.some((text) => text.includes(block))).toBe(true);
});

test("every command and option that the page names exists", () => {
  const commands = ALL_COMMANDS.map(({ name }) => name);
  const named = [...page.matchAll(/\bsallyport ([a-z]+)\b/g)].map(([, name = ""]) => name);
  expect(named.filter((name) => !commands.includes(name))).toEqual([]);
  const options = new Set([...ALL_COMMANDS.flatMap((command) => command.options.map(({ name }) => `--${name}`)), "--help"]);
  expect([...page.matchAll(/--[a-z][a-z-]+/g)].map(([name]) => name).filter((name) => !options.has(name))).toEqual([]);
});
