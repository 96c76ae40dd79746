import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleOf } from "../../browser/support/page-server.ts";
import { ALL_RIGHT, judgeVectors } from "../../support/client-vectors.ts";

/** The golden, additional and Wycheproof vectors in the client. `browser/vectors.test.ts` runs them in Chromium. */

const NODE = Bun.which("node");

test("Bun: WebCrypto and noble judge every signature correctly", async () => {
  expect(await judgeVectors()).toEqual(ALL_RIGHT);
});

test.skipIf(NODE === null)("Node: WebCrypto and noble judge every signature correctly (needs Node.js 20)", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-vectors-"));
  const bundle = join(folder, "vectors.mjs");
  await Bun.write(bundle, await bundleOf(join(import.meta.dir, "../../support/client-vectors.ts")));
  const script = `import { judgeVectors } from ${JSON.stringify(bundle)}; console.log(JSON.stringify(await judgeVectors()));`;
  const report = await Bun.$`${NODE ?? "node"} --input-type=module --eval ${script}`.json();
  expect(report).toEqual(ALL_RIGHT);
  await rm(folder, { recursive: true });
});
