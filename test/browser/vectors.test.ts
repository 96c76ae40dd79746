import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ALL_RIGHT } from "../support/client-vectors.ts";
import { BrowserPage } from "./support/browser-page.ts";
import { launchChromium, NO_CHROMIUM } from "./support/chromium.ts";
import { servePage } from "./support/page-server.ts";

const ENTRY = join(import.meta.dir, "../support/client-vectors.ts");

describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "the vectors in Chromium", () => {
  test("WebCrypto and noble judge every signature correctly", async () => {
    const [pages, browser] = await Promise.all([servePage(ENTRY), launchChromium()]);
    const page = await BrowserPage.open<typeof import("../support/client-vectors.ts")>(browser, `${pages.origin}/`);
    expect(await page.call("judgeVectors")).toEqual(ALL_RIGHT);
    await browser.close();
    await pages.close();
  });
});
