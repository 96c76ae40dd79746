import type { Browser } from "playwright-core";
import type { Config } from "../../../src/config/schema.ts";
import { openWorld, type World } from "../../support/world.ts";
import { BrowserPage } from "./browser-page.ts";
import { launchChromium } from "./chromium.ts";
import { servePage } from "./page-server.ts";

/** A running gateway, a browser, and a page of another origin that the gateway's CORS settings allow. */
export interface BrowserWorld<Entry> {
  readonly world: World;
  readonly browser: Browser;
  readonly origin: string;
  /** Opens the page once more, in a browser context of its own. */
  open(): Promise<BrowserPage<Entry>>;
  close(): Promise<void>;
}

/** `entry` is the path of the page's TypeScript file. `overrides` are settings of the gateway. */
export async function openBrowserWorld<Entry>(entry: string, overrides: Partial<Config> = {}): Promise<BrowserWorld<Entry>> {
  const pages = await servePage(entry);
  const [world, browser] = await Promise.all([openWorld({ "cors.origins": [pages.origin], ...overrides }), launchChromium()]);
  return {
    world,
    browser,
    origin: pages.origin,
    open: () => BrowserPage.open(browser, `${pages.origin}/`),
    async close() {
      await browser.close();
      await Promise.all([world.close(), pages.close()]);
    },
  };
}
