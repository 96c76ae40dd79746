import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

/**
 * Runs the type checker on declarations and on lines that follow them. Resolves to the codes of the errors on each line. The key
 * `""` has the errors elsewhere.
 */
export async function typeErrors(declarations: string, lines: readonly string[]): Promise<Map<string, string[]>> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-types-"));
  try {
    const all = [...declarations.split("\n"), ...lines];
    await Bun.write(join(folder, "checked.ts"), all.join("\n"));
    const compilerOptions = { typeRoots: [join(ROOT, "node_modules/@types")] };
    const config = { extends: join(ROOT, "tsconfig.json"), compilerOptions, include: ["checked.ts"], exclude: [] };
    await Bun.write(join(folder, "tsconfig.json"), JSON.stringify(config));
    const checker = Bun.spawn([process.execPath, "check", "--no-script", "--no-pretty", "--all", "-p", folder], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const output = await new Response(checker.stdout).text();
    const errors = new Map<string, string[]>();
    for (const [, file = "", at, code = ""] of output.matchAll(/^(.*)\((\d+),\d+\): error (TS\d+)/gm)) {
      const text = file.endsWith("checked.ts") ? (all[Number(at) - 1] ?? "") : "";
      const line = lines.includes(text) ? text : "";
      errors.set(line, [...(errors.get(line) ?? []), code]);
    }
    return errors;
  } finally {
    await rm(folder, { recursive: true });
  }
}
