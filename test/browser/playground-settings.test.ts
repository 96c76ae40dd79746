import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser } from "playwright-core";
import { type DevProcess, startDevProcess } from "../support/dev-process.ts";
import { launchChromium, NO_CHROMIUM } from "./support/chromium.ts";
import { PlaygroundPage, shownText } from "./support/playground-page.ts";

/** The playground of a gateway whose settings are not the defaults: it uses the key algorithms and knows the size limits. */

const ROUTES = [
  { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" },
  { message_type: "user.profile.update", method: "PATCH", path: "/api/v1/user/profile", payload_bytes_max: 1000 },
];
const SETTINGS = [`routes=${JSON.stringify(ROUTES)}`, 'device_keys.algorithms=["ES256"]'];

// A browser on a machine that is busy with other tests is slow.
setDefaultTimeout(90_000);

describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "the playground of other settings", () => {
  let dev: DevProcess;
  let browser: Browser;
  let page: PlaygroundPage;
  beforeAll(async () => {
    [dev, browser] = await Promise.all([startDevProcess(...SETTINGS), launchChromium()]);
    page = await PlaygroundPage.open(browser, dev.edgeUrl);
    await page.logIn("ada@example.com");
  });
  afterAll(async () => {
    await browser.close();
    await dev.stop();
  });

  test("only ES256 is accepted: the login makes such a key, and so does the attacker with a session of her own", async () => {
    expect(await shownText(page.page.locator("#device"))).toContain("P-256, private half not exportable");
    expect(await page.tamper("foreign-answer")).toStartWith("Answer discarded by the client");
    expect(page.problems()).toEqual([]);
  });

  test.each([
    [600_000, "Refused at check 0, Transport: REQUEST_TOO_LARGE", "ruuuuuuuuu"],
    [300_000, "Refused at check 1, Envelope: REQUEST_TOO_LARGE", "pruuuuuuuu"],
    [2000, "Refused at check 8, Routing: REQUEST_TOO_LARGE", "ppppppppru"],
  ])("a payload of %d bytes is refused at the check whose limit it exceeds", async (size, verdict, states) => {
    const payload = JSON.stringify({ display_name: "x".repeat(size) });
    expect(await page.send("user.profile.update", payload)).toStartWith(verdict);
    expect(await page.states()).toBe(states);
  });
});
