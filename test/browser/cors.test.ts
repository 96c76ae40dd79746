import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type BrowserWorld, openBrowserWorld } from "./support/browser-world.ts";
import { NO_CHROMIUM } from "./support/chromium.ts";

const ENTRY = join(import.meta.dir, "pages/cors.ts");
const KEYS = "/.well-known/jwks.json";

describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "CORS in Chromium", () => {
  let allowed: BrowserWorld<typeof import("./pages/cors.ts")>;
  beforeAll(async () => {
    allowed = await openBrowserWorld(ENTRY);
  });
  afterAll(() => allowed.close());

  test("a page of an allowed origin reads responses", async () => {
    const page = await allowed.open();
    expect(await page.call("statusOf", `${allowed.world.gateway.edgeUrl}${KEYS}`)).toBe(200);
    expect(page.errors()).toEqual([]);
  });

  test("a page of another origin reads none", async () => {
    // The admin listener has no CORS headers.
    const page = await allowed.open();
    expect(await page.call("statusOf", `${allowed.world.gateway.adminUrl}/metrics`)).toBeUndefined();
    expect(page.errors()).not.toEqual([]);
  });
});
