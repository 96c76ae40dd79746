import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openWorld } from "../support/world.ts";

const root = join(import.meta.dir, "../..");

test("the client lines of the README log in and run a signed command", async () => {
  const readme = await Bun.file(join(root, "README.md")).text();
  const [, lines = ""] = /^```ts\n([\s\S]*?)^```$/m.exec(readme) ?? [];
  const world = await openWorld();
  const script = lines
    .replaceAll("http://127.0.0.1:8080", world.gateway.edgeUrl)
    .replaceAll("http://127.0.0.1:8083", world.backend.restUrl)
    .replaceAll('"./src/', `"${root}/src/`);
  const folder = mkdtempSync(join(root, "test/.readme-"));
  try {
    writeFileSync(join(folder, "first.ts"), script);
    const child = Bun.spawn([process.execPath, join(folder, "first.ts")], { stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(err).toBe("");
    expect(out).toStartWith("ok {");
    expect(out).toContain('email: "first@example.com"');
  } finally {
    rmSync(folder, { recursive: true });
    await world.close();
  }
});
