import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { until } from "../support/until.ts";
import { type Device, metric } from "../support/world.ts";
import { BrowserPage } from "./support/browser-page.ts";
import { type BrowserWorld, openBrowserWorld } from "./support/browser-world.ts";
import { NO_CHROMIUM } from "./support/chromium.ts";

const ENTRY = join(import.meta.dir, "pages/subscriptions.ts");
type Page = BrowserPage<typeof import("./pages/subscriptions.ts")>;

describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "subscriptions in Chromium", () => {
  let browser: BrowserWorld<typeof import("./pages/subscriptions.ts")>;
  beforeAll(async () => {
    browser = await openBrowserWorld(ENTRY);
  });
  afterAll(() => browser.close());
  beforeEach(() => until(async () => (await streams()) === 0, "the streams of the test before to close"));

  /** Tabs of one browser profile, and a device. */
  async function openTabs(count: number) {
    const device = await browser.world.login();
    const context = await browser.browser.newContext();
    const open = (): Promise<Page> => BrowserPage.open(context, `${browser.origin}/`);
    const tabs: Page[] = [];
    for (let n = 0; n < count; n++) tabs.push(await open());
    return { device, context, tabs, open };
  }

  function listen(
    page: Page,
    device: Device,
    streams: Parameters<Page["call"]>[3] & { resumeAfter?: string } = {},
    count = 1,
  ): Promise<unknown> {
    const session = { deviceSessionId: device.deviceSessionId, seed: [...device.deviceKey.exportSeed()] };
    return page.call("listen", browser.world.gateway.edgeUrl, session, { reconnectMs: 100, ...streams }, count);
  }

  async function send(device: Device, from: number, count: number, text = ""): Promise<void> {
    for (let n = from; n < from + count; n++) {
      await browser.world.push({ user_id: device.userId, event_type: "test.number", payload: { n, text } });
    }
  }

  async function receives(page: Page, count: number): Promise<void> {
    const expected = Array.from({ length: count }, (_, n) => n);
    const isComplete = async () => (await page.call("report")).every(({ received }) => received.length >= count);
    await until(isComplete, `${count} events`);
    for (const { received } of await page.call("report")) expect(received).toEqual(expected);
  }

  async function isLive(page: Page): Promise<void> {
    await until(async () => (await page.call("report")).every(({ state }) => state === "live"), "the page to be live");
  }

  const streams = () => metric(browser.world.gateway, "sallyport_streams");

  test.each(["fetch", "xhr", "poll"] as const)(
    "%s: events arrive, and a revocation ends the subscription",
    async (transport) => {
      const { device, context, tabs } = await openTabs(1);
      const [page] = tabs;
      if (page === undefined) throw new Error("one page expected");
      await listen(page, device, { transports: [transport] });
      await isLive(page);
      await send(device, 0, 300);
      await receives(page, 300);
      expect((await page.call("report"))[0]?.transport).toBe(transport);
      await browser.world.revoke({ device_session_id: device.deviceSessionId });
      await until(async () => (await page.call("report"))[0]?.state === "ended", "the end");
      expect((await page.call("report"))[0]?.error).toBe("SESSION_REVOKED");
      await context.close();
    },
  );

  test("xhr: a stream whose text has grown to the limit is resumed, and every event arrives once", async () => {
    const { device, context, tabs } = await openTabs(1);
    const [page] = tabs;
    if (page === undefined) throw new Error("one page expected");
    await listen(page, device, { transports: ["xhr"] });
    await isLive(page);
    const opened = () => metric(browser.world.gateway, "sallyport_resumes_total", '{outcome="whole"}');
    const before = await opened();
    // Few at a time: the replay buffer of the gateway holds 256 KiB.
    for (let n = 0; n < 130; n++) {
      await send(device, n, 1, "x".repeat(60_000));
      if (n % 2 === 1) await receives(page, n + 1);
    }
    await receives(page, 130);
    expect(await opened()).toBeGreaterThan(before);
    await context.close();
  });

  test("xhr: the header field Retry-After of a proxy delays the reconnect", async () => {
    const { device, context, tabs } = await openTabs(1);
    const [page] = tabs;
    if (page === undefined) throw new Error("one page expected");
    const atMs: number[] = [];
    const cors = {
      "access-control-allow-origin": browser.origin,
      "access-control-allow-headers": "*",
      "access-control-expose-headers": "retry-after",
    };
    const busy = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch({ method }) {
        if (method === "OPTIONS") return new Response(null, { status: 204, headers: cors });
        atMs.push(performance.now());
        return new Response("busy", { status: 503, headers: { ...cors, "retry-after": "2" } });
      },
    });
    const session = { deviceSessionId: device.deviceSessionId, seed: [...device.deviceKey.exportSeed()] };
    await page.call("listen", busy.url.origin, session, { reconnectMs: 100, transports: ["xhr"] });
    await until(() => atMs.length > 1, "the second attempt");
    expect((atMs[1] ?? 0) - (atMs[0] ?? 0)).toBeGreaterThan(1900);
    await page.call("closeAll");
    await context.close();
    await busy.stop(true);
  });

  test("many listeners of a page share one stream", async () => {
    const { device, context, tabs } = await openTabs(1);
    const [page] = tabs;
    if (page === undefined) throw new Error("one page expected");
    await listen(page, device, {}, 100);
    await isLive(page);
    expect(await streams()).toBe(1);
    await send(device, 0, 20);
    await receives(page, 20);
    await page.call("closeAll");
    await until(async () => (await streams()) === 0, "the stream to close");
    expect(page.errors()).toEqual([]);
    await context.close();
  });

  test("a page that goes offline pauses, and gets what it missed when it is online again", async () => {
    const { device, context, tabs } = await openTabs(1);
    const [page] = tabs;
    if (page === undefined) throw new Error("one page expected");
    await listen(page, device);
    await isLive(page);
    await send(device, 0, 2);
    await receives(page, 2);
    await context.setOffline(true);
    await until(async () => (await page.call("report"))[0]?.state === "offline", "the page to be offline");
    await until(async () => (await streams()) === 0, "the stream to close");
    await send(device, 2, 5);
    await context.setOffline(false);
    await receives(page, 7);
    await context.close();
  });

  test("three tabs share one stream, and survive the close of the tab that has it", async () => {
    const { device, context, tabs, open } = await openTabs(3);
    for (const tab of tabs) await listen(tab, device);
    for (const tab of tabs) await isLive(tab);
    expect(await streams()).toBe(1);
    const transports = await Promise.all(tabs.map(async (tab) => (await tab.call("report"))[0]?.transport));
    expect(transports.toSorted()).toEqual(["fetch", "tab", "tab"]);
    let sent = 0;
    const live = [...tabs];
    while (live.length > 0) {
      await send(device, sent, 10);
      sent += 10;
      const leader = await leaderOf(live);
      // Events are on their way while the leader closes.
      const sending = send(device, sent, 10);
      sent += 10;
      await leader.close();
      live.splice(live.indexOf(leader), 1);
      await sending;
      for (const tab of live) await receives(tab, sent);
      if (live.length > 0) await until(async () => (await streams()) === 1, "the tabs to share one stream again");
    }
    const late = await open();
    await listen(late, device);
    await isLive(late);
    expect(late.errors()).toEqual([]);
    await context.close();
  });

  test("a tab that starts at an earlier event gets the events since then, and shares the stream again", async () => {
    const { device, context, tabs } = await openTabs(2);
    const [first, second] = tabs;
    if (first === undefined || second === undefined) throw new Error("two pages expected");
    await listen(first, device);
    await isLive(first);
    const resumeAfter = await first.call("lastEventId");
    if (resumeAfter === undefined) throw new Error("a live subscription has a position");
    await send(device, 0, 5);
    await receives(first, 5);
    await listen(second, device, { resumeAfter });
    await receives(second, 5);
    await until(async () => (await second.call("report"))[0]?.transport === "tab", "the second tab to follow");
    await until(async () => (await streams()) === 1, "the second tab's own stream to close");
    await send(device, 5, 5);
    for (const tab of tabs) await receives(tab, 10);
    await context.close();
  });

  /** A tab that takes over still reports "tab" until its stream is open. */
  async function leaderOf(tabs: readonly Page[]): Promise<Page> {
    let leader: Page | undefined;
    await until(
      async () => {
        const transports = await Promise.all(tabs.map(async (tab) => (await tab.call("report"))[0]?.transport));
        leader = tabs[transports.findIndex((transport) => transport !== "tab")];
        return leader !== undefined;
      },
      "a tab to lead",
      10_000,
    );
    if (leader === undefined) throw new Error("no tab leads");
    return leader;
  }
});
