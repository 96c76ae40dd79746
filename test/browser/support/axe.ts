import { join } from "node:path";
import type { Page } from "playwright-core";

const SOURCE = join(import.meta.dir, "../../../node_modules/axe-core/axe.min.js");

/** Runs every rule of axe-core on the page. Resolves to the violations, as texts: rule, help, selectors. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(await Bun.file(SOURCE).text());
  return page.evaluate(async () => {
    const { violations } = await Reflect.get(globalThis, "axe").run(document, { resultTypes: ["violations"] });
    const selectors = (nodes: readonly { target: string[] }[]) => nodes.map(({ target }) => target.join(" ")).join(", ");
    return violations.map(
      (each: { id: string; help: string; nodes: readonly { target: string[] }[] }) =>
        `${each.id}: ${each.help}: ${selectors(each.nodes)}`,
    );
  });
}
