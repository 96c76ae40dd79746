/** `bun run check` runs types, lint, format, proto lint, generated code and tidy. It prints one line per step, and exits with 1 if a step failed. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

interface Step {
  readonly name: string;
  readonly run: () => Promise<boolean>;
}

async function command(args: readonly string[], cwd: string = root): Promise<boolean> {
  const child = Bun.spawn([...args], { cwd, stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) process.stdout.write(out + err);
  return code === 0;
}

/** Generates the code into a temporary folder and compares it with `src/gen`. */
async function generatedIsCurrent(): Promise<boolean> {
  const fresh = await mkdtemp(join(tmpdir(), "sallyport-gen-"));
  try {
    const template = join(fresh, "buf.gen.yaml");
    const out = join(fresh, "gen");
    const configured = await Bun.file(join(root, "proto/buf.gen.yaml")).text();
    await Bun.write(template, configured.replace("../src/gen", out));
    const generated = await command(["buf", "generate", "--template", template], join(root, "proto"));
    return generated && (await command(["diff", "-r", out, join(root, "src/gen")]));
  } finally {
    await rm(fresh, { recursive: true });
  }
}

const steps: readonly Step[] = [
  { name: "types", run: () => command(["bun", "check", "--no-script"]) },
  { name: "lint and format", run: () => command(["biome", "check", "--error-on-warnings", "."]) },
  { name: "proto lint", run: () => command(["buf", "lint"], join(root, "proto")) },
  { name: "generated code is up to date", run: generatedIsCurrent },
  { name: "import rules", run: () => command(["bun", "test", "test/tidy.test.ts"]) },
];

let failed = 0;
for (const { name, run } of steps) {
  const holds = await run();
  process.stdout.write(`${holds ? "ok  " : "FAIL"}  ${name}\n`);
  if (!holds) failed++;
}
process.stdout.write(`${steps.length - failed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
