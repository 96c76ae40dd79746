import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { outboxCode } from "../support/email-code.ts";
import { type BrowserWorld, openBrowserWorld } from "./support/browser-world.ts";
import { NO_CHROMIUM } from "./support/chromium.ts";

const ENTRY = join(import.meta.dir, "pages/keys.ts");

describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "the client's keys in Chromium", () => {
  let browser: BrowserWorld<typeof import("./pages/keys.ts")>;
  beforeAll(async () => {
    browser = await openBrowserWorld(ENTRY);
  });
  afterAll(() => browser.close());

  test.each([
    ["EdDSA", "InvalidAccessError"],
    ["ES256", "InvalidAccessError"],
    ["exportable", "a seed"],
  ] as const)("%s: a login survives a reload of the page, and a script cannot export the key", async (algorithm, exported) => {
    const page = await browser.open();
    const [baseUrl, name] = [browser.world.gateway.edgeUrl, `store-${algorithm}`];
    const { challengeId } = await page.call("startLogin", baseUrl, `${algorithm}@example.com`);
    const code = await outboxCode(browser.world.backend.restUrl, challengeId);
    const deviceSessionId = await page.call("finishLogin", { baseUrl, challengeId, code }, algorithm, name);
    await page.page.reload();
    await page.page.waitForFunction(() => "entry" in globalThis);
    expect(await page.call("executeStored", baseUrl, name)).toEqual({
      deviceSessionId,
      resultCode: "ok",
      algorithm: algorithm === "exportable" ? "EdDSA" : algorithm,
      exported,
    });
    expect(await page.call("clear", name)).toBe(true);
    expect(await page.call("executeStored", baseUrl, name)).toBeUndefined();
    expect(page.errors()).toEqual([]);
    await page.close();
  });

  test("without WebCrypto, the client logs in and executes with noble", async () => {
    const page = await browser.open();
    const [baseUrl, name] = [browser.world.gateway.edgeUrl, "noble"];
    const { challengeId } = await page.call("startLogin", baseUrl, "noble@example.com");
    const code = await outboxCode(browser.world.backend.restUrl, challengeId);
    expect(await page.call("removeWebCrypto")).toBe(true);
    await page.call("finishLogin", { baseUrl, challengeId, code }, "any", name);
    expect(await page.call("executeStored", baseUrl, name)).toMatchObject({ resultCode: "ok", exported: "a seed" });
    expect(page.errors()).toEqual([]);
    await page.close();
  });

  test("a key of the caller's own is refused by IndexedDB", async () => {
    const page = await browser.open();
    expect(await page.call("storeOwnSigner")).toBe("key_not_storable");
    await page.close();
  });
});
