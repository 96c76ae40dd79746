import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileExecutable } from "../../../support/compile.ts";

const CHILD = join(import.meta.dir, "children/page-files.ts");

interface PrintedFile {
  readonly path: string;
  readonly contentType: string;
  readonly text: string;
}

/** Runs a command in a folder without sources, and returns the files that it prints. */
async function printedBy(command: readonly string[], cwd: string): Promise<PrintedFile[]> {
  const child = Bun.spawn([...command], { cwd, stdout: "pipe", stderr: "inherit" });
  const files: PrintedFile[] = JSON.parse(await new Response(child.stdout).text());
  expect(await child.exited).toBe(0);
  return files;
}

function describesThePage(files: readonly PrintedFile[]): void {
  const [document, ...assets] = files;
  expect(document).toMatchObject({ path: "/", contentType: "text/html;charset=utf-8" });
  expect(assets.map(({ contentType }) => contentType).toSorted()).toEqual([
    "image/svg+xml",
    "text/css;charset=utf-8",
    "text/javascript;charset=utf-8",
  ]);
  const named = [...(document?.text ?? "").matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path]) => path ?? "");
  expect(named.toSorted()).toEqual(assets.map(({ path }) => path).toSorted());
  const script = assets.find(({ contentType }) => contentType.startsWith("text/javascript"))?.text ?? "";
  expect(script).toContain("sallyport-playground");
  expect(script).not.toMatch(/\beval\(|new Function\(|sourceMappingURL/);
}

describe("the files of the playground", () => {
  test("are bundled from the sources", async () => {
    describesThePage(await printedBy([process.execPath, CHILD], tmpdir()));
  });

  test("are part of the executable, which needs no sources", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sallyport-page-"));
    const outfile = join(folder, "page-files");
    const { success } = await compileExecutable(CHILD, outfile);
    expect(success).toBe(true);
    describesThePage(await printedBy([outfile], folder));
    await rm(folder, { recursive: true });
  });
});
