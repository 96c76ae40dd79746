import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { outboxCode } from "../support/email-code.ts";
import { until } from "../support/until.ts";
import type { BrowserPage } from "./support/browser-page.ts";
import { type BrowserWorld, openBrowserWorld } from "./support/browser-world.ts";
import { NO_CHROMIUM } from "./support/chromium.ts";

const ENTRY = join(import.meta.dir, "pages/react-native.ts");
type Entry = typeof import("./pages/react-native.ts");

/** The XMLHttpRequest and the network are Chromium's. The web APIs that React Native lacks are removed. */
describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "with the web APIs of React Native", () => {
  let browser: BrowserWorld<Entry>;
  let page: BrowserPage<Entry>;
  let deviceSessionId = "";

  beforeAll(async () => {
    browser = await openBrowserWorld(ENTRY);
    page = await browser.open();
    const baseUrl = browser.world.gateway.edgeUrl;
    await page.call("becomeReactNative");
    const { challengeId } = await page.call("startLogin", baseUrl, "native@example.com");
    const code = await outboxCode(browser.world.backend.restUrl, challengeId);
    deviceSessionId = await page.call("finishLogin", { baseUrl, challengeId, code });
  });
  afterAll(() => browser.close());

  test.each([0, 3_600_000, -3_600_000])("a command works if the clock of the device is off by %d ms", async (offsetMs) => {
    expect(await page.call("execute", offsetMs)).toBe("ok");
  });

  test("a call that is aborted fails as canceled", async () => {
    expect(await page.call("abortedPoll")).toBe("canceled");
  });

  test.each([
    ["xhr", ["fetch", "xhr", "poll"]],
    ["poll", ["fetch", "poll"]],
  ] as const)("a subscription uses %s at once, out of %j", async (transport, transports) => {
    await page.call("listen", transports);
    const startedAtMs = performance.now();
    await until(async () => (await page.call("report")).state === "live", "the page to be live");
    expect(performance.now() - startedAtMs).toBeLessThan(7000);
    const payload = { over: transport };
    await browser.world.push({ device_session_id: deviceSessionId, event_type: "test.text", payload });
    await until(async () => Bun.deepEquals((await page.call("report")).received.at(-1), payload), "the event");
    expect(await page.call("report")).toMatchObject({ transport });
    await page.call("close");
  });
});
