import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { type DevProcess, startDevProcess } from "../support/dev-process.ts";
import { mailedCode } from "../support/email-code.ts";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.ts";
import { until } from "../support/until.ts";
import { accessibilityProblems } from "./support/axe.ts";
import { launchChromium, NO_CHROMIUM } from "./support/chromium.ts";
import { PlaygroundPage, shownText } from "./support/playground-page.ts";

/** Who can use the playground, and what the page may not do: keyboard, screen reader, narrow screens, the Content-Security-Policy. */

const ROOMY = ["public_misc", "public_auth", "send_code", "failures"].flatMap((name) => [
  `budgets.${name}.rate=10000`,
  `budgets.${name}.burst=10000`,
]);
const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
const NARROWEST = { width: 320, height: 640 };

// A browser on a machine that is busy with other tests is slow.
setDefaultTimeout(90_000);

describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "the playground for everyone", () => {
  let dev: DevProcess;
  let browser: Browser;
  beforeAll(async () => {
    [dev, browser] = await Promise.all([startDevProcess(...ROOMY), launchChromium()]);
  });
  afterAll(async () => {
    await browser.close();
    await dev.stop();
  });

  let people = 0;
  const open = (options: BrowserContextOptions = {}) => PlaygroundPage.open(browser, dev.edgeUrl, options);
  async function loggedIn(options: BrowserContextOptions = {}): Promise<PlaygroundPage> {
    const page = await open(options);
    await page.logIn(`person-${people++}@example.com`);
    return page;
  }

  const everyStation = [0, 1, 2, 3, 4, 5, 6, 7, 8, "answer"] as const;
  /** Those whose evidence has another structure than the others'. */
  const someStations = [3, 4, 7, "answer"] as const;

  test.each([
    ["light", DESKTOP, everyStation],
    ["dark", DESKTOP, someStations],
    ["light", PHONE, someStations],
    ["dark", PHONE, someStations],
  ] as const)("axe-core finds nothing in any state of the page: %s, %o", async (colorScheme, viewport, stations) => {
    const page = await open({ colorScheme, viewport });
    const found = new Map<string, string[]>();
    const look = async (state: string) => found.set(state, await accessibilityProblems(page.page));
    await look("start");
    await page.page.getByLabel("E-mail address").fill(`axe-${people++}@example.com`);
    await page.page.getByRole("button", { name: "Send me a code" }).click();
    await page.page.getByRole("button", { name: /^Use code/ }).waitFor();
    await look("code");
    await page.page.getByLabel("Code", { exact: true }).fill("nope");
    await page.page.getByRole("button", { name: "Log in" }).click();
    await page.page.locator("#login-problem", { hasText: "wrong_code" }).waitFor();
    await look("wrong code");
    await page.page.getByRole("button", { name: /^Use code/ }).click();
    await page.page.getByRole("button", { name: "Log in" }).click();
    await page.streamIs("live");
    await look("logged in");
    await page.page.getByRole("button", { name: "Push an event" }).click();
    await page.page.locator("#stream .event", { hasText: "demo.greeting" }).getByText("evidence", { exact: true }).click();
    await page.page.getByText("sallyport.event.v1").waitFor();
    await look("evidence of an event");
    await page.send("user.profile.update", '{"display_name":"Ada"}');
    for (const station of stations) {
      await page.evidence(station);
      await look(`evidence ${station}`);
    }
    await page.tamper("replay");
    await look("refused");
    await page.tamper("changed-answer");
    await look("discarded");
    await page.page.getByRole("button", { name: "Revoke this session" }).click();
    await page.streamIs("ended");
    await look("revoked");
    expect([...found].filter(([, problems]) => problems.length > 0)).toEqual([]);
    expect(found.size).toBe(8 + stations.length);
    await page.close();
  });

  test("axe-core notices a page that is wrong", async () => {
    const page = await open();
    await page.page.evaluate(() => document.querySelector("#email")?.previousElementSibling?.remove());
    expect((await accessibilityProblems(page.page)).join()).toContain("label");
    await page.close();
  });

  test("the keyboard alone logs in, sends, reads the evidence and attacks; the focus can always be seen", async () => {
    const { page } = await open();
    await page.keyboard.press("Tab");
    expect(await focused(page)).toMatchObject({ text: "Skip to the controls", isVisible: true });
    await page.keyboard.press("Enter");
    await tabTo(page, "#email");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("keyboard@example.com");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.id === "code");
    await tabTo(page, ".mail button", "Shift+Tab");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.id === "message-type");
    await tabTo(page, "#payload");
    await page.keyboard.press("Control+Enter");
    await page.locator("#verdict[data-kind=answered]").waitFor();
    await tabTo(page, "[role=tab]", "Shift+Tab");
    expect((await focused(page)).id).toBe("station-answer");
    await page.keyboard.press("Home");
    for (let steps = 0; steps < 4; steps++) await page.keyboard.press("ArrowRight");
    expect((await focused(page)).id).toBe("station-4");
    await page.locator("#evidence-title", { hasText: "Check 4: Signature" }).waitFor();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("End");
    expect((await focused(page)).id).toBe("station-answer");
    await tabTo(page, "#tamper-replay");
    await page.keyboard.press("Space");
    await page.locator("#verdict[data-kind=refused]").waitFor();
    expect((await focused(page)).id).toBe("tamper-replay");
    await tabTo(page, "#stream button");
    await tabTo(page, "#device button", "Shift+Tab");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.id === "email");
    await page.context().close();
  });

  test("a screen reader gets landmarks, headings in order, one tab stop for the way, and announcements", async () => {
    const { page, ...rest } = { page: (await loggedIn()).page };
    expect(rest).toEqual({});
    for (const role of ["banner", "main", "contentinfo"] as const) expect(await page.getByRole(role).count()).toBe(1);
    expect(await page.getByRole("heading", { level: 1 }).count()).toBe(1);
    const regions = await page
      .getByRole("region")
      .evaluateAll((all) => all.map((each) => each.getAttribute("aria-labelledby") ?? each.getAttribute("aria-label")));
    expect(regions).toEqual(
      expect.arrayContaining(["hero-title", "tampers-title", "composer-title", "evidence-title", "stream-title"]),
    );
    expect(await page.locator("[role=tab][tabindex='0']").count()).toBe(1);
    await page.locator("#tamper-stale-clock").click();
    await page.getByRole("status").filter({ hasText: "Refused at check 5" }).waitFor();
    const names = await page.getByRole("tab").evaluateAll((tabs) => tabs.map((tab) => tab.textContent));
    expect(names).toEqual([
      ...["0Transport passed", "1Envelope passed", "2Session passed", "3Payload passed", "4Signature passed"],
      ...["5Freshness refused", "6Replay not reached", "7Budgets not reached", "8Routing not reached", "No answer"],
    ]);
    expect(await page.getByRole("tabpanel").getAttribute("aria-labelledby")).toBe("station-5");
    expect(await page.getByRole("log").count()).toBe(1);
    expect(await page.getByRole("button", { name: /^Replay it.*sent twice.*Stopped by the check 6/ }).count()).toBe(1);
    await page.context().close();
  });

  test.each([NARROWEST, { width: 360, height: 740 }, PHONE, { width: 900, height: 1100 }, { width: 2560, height: 1440 }])(
    "nothing is cut off and nothing scrolls sideways: %o",
    async (viewport) => {
      const page = await loggedIn({ viewport });
      await page.send("chat.message.send", '{"room_id":"lobby","text":"hello"}');
      await page.tamper("garbage");
      const cut = await page.page
        .locator("#history .past")
        .evaluateAll((all) => all.filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.textContent));
      expect(cut).toEqual([]);
      await page.evidence(4);
      const wide = await page.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(wide).toBeLessThanOrEqual(0);
      const small = await page.page
        .getByRole("button")
        .evaluateAll((all) =>
          all.map((each) => each.getBoundingClientRect()).filter(({ width, height }) => width < 24 || height < 24),
        );
      expect(small).toEqual([]);
      await page.close();
    },
  );

  test("the policy of the page is enforced: an inline script does not run, and no other page can frame it", async () => {
    const page = await open();
    const ran = await page.page.evaluate(() => {
      const script = document.createElement("script");
      try {
        script.textContent = "globalThis.inlineRan = true";
        document.body.append(script);
      } catch {
        // Trusted Types refuse the text already.
      }
      return "inlineRan" in globalThis;
    });
    expect(ran).toBe(false);
    expect(page.problems().join()).toMatch(/Content Security Policy|TrustedScript/);
    await page.close();
    const frame = Bun.serve({
      ...{ hostname: "127.0.0.1", port: 0 },
      fetch: () => new Response(`<iframe src="${dev.edgeUrl}/"></iframe>`, { headers: { "content-type": "text/html" } }),
    });
    const framing = await browser.newPage();
    const refused = framing.waitForEvent("console", (message) => message.text().includes("frame-ancestors"));
    await framing.goto(frame.url.href);
    expect((await refused).type()).toBe("error");
    await framing.close();
    await frame.stop(true);
  });

  test("a page of another origin cannot read the outbox", async () => {
    const other = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response("<title>other</title>", { headers: { "content-type": "text/html" } }),
    });
    const page = await browser.newPage();
    await page.goto(other.url.href);
    const read = (url: string) =>
      fetch(url).then(
        (answer) => answer.text(),
        () => "blocked",
      );
    expect(await page.evaluate(read, `${dev.edgeUrl}/playground/dev/outbox`)).toBe("blocked");
    const post = (url: string) =>
      fetch(url, { method: "POST", mode: "no-cors", body: "{}" }).then(
        () => "sent",
        () => "blocked",
      );
    await page.evaluate(post, `${dev.edgeUrl}/playground/dev/restart`);
    expect(dev.logged()).not.toContain("gateway restarting");
    await page.close();
    await other.stop(true);
  });
});

describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "the playground of sallyport serve", () => {
  let gateway: GatewayProcess;
  let browser: Browser;
  beforeAll(async () => {
    [gateway, browser] = await Promise.all([startGatewayProcess({ "playground.enabled": "true" }), launchChromium()]);
  });
  afterAll(async () => {
    await browser.close();
    await gateway.close();
  });

  test("has no outbox and no buttons of the backend; a code from the e-mail logs in, and attacks are stopped", async () => {
    const opened = await PlaygroundPage.open(browser, gateway.edgeUrl);
    const { page } = opened;
    await page.getByLabel("E-mail address").fill("serve@example.com");
    await page.getByRole("button", { name: "Send me a code" }).click();
    let code = "";
    // Chromium may discard the body of the answer, so the e-mail address finds the code.
    await until(async () => {
      code = await mailedCode(gateway.backend.restUrl, "serve@example.com");
      return code !== "";
    }, "the e-mail");
    await page.getByLabel("Code", { exact: true }).fill(code);
    expect(await page.getByRole("button", { name: /^Use code/ }).count()).toBe(0);
    await page.getByRole("button", { name: "Log in" }).click();
    await opened.streamIs("live");
    for (const name of ["Push an event", "Restart the gateway", "Revoke this session"]) {
      expect(await page.getByRole("button", { name }).count()).toBe(0);
    }
    await page.getByLabel("Other message type").fill("user.profile.get");
    expect(await opened.verdictAfter(() => page.getByRole("button", { name: "Sign and send" }).click())).toStartWith(
      "Answered: ok",
    );
    expect(await opened.tamper("replay")).toStartWith("Refused at check 6");
    expect(await shownText(page.locator("#tampers"))).not.toContain("another session");
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(opened.problems()).toEqual([]);
    await opened.close();
  });
});

interface Focused {
  readonly id: string;
  readonly text: string;
  /** Whether the focused element is in sight and has an outline. */
  readonly isVisible: boolean;
}

function focused(page: Page): Promise<Focused> {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (element === null) return { id: "", text: "", isVisible: false };
    const { width, height } = element.getBoundingClientRect();
    const isVisible = width > 2 && height > 2 && getComputedStyle(element).outlineStyle !== "none";
    return { id: element.id, text: element.textContent?.trim() ?? "", isVisible };
  });
}

/** Presses the key until an element that matches has the focus. Throws if the focus is hidden on the way, or never arrives. */
async function tabTo(page: Page, selector: string, key = "Tab"): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press(key);
    const at = await focused(page);
    if (!at.isVisible && at.text !== "" && at.id !== "") throw new Error(`the focus is hidden at ${at.id}`);
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
  }
  throw new Error(`the focus does not reach ${selector}`);
}
