import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { compileExecutable } from "../support/compile.ts";
import { type DevProcess, startDevExecutable, startDevProcess } from "../support/dev-process.ts";
import { launchChromium, NO_CHROMIUM } from "./support/chromium.ts";
import { PlaygroundPage, shownText } from "./support/playground-page.ts";

/** The attacks of the playground: each is stopped where its button says, and the page explains it. */

const ROOMY = ["public_misc", "public_auth", "send_code", "failures"].flatMap((name) => [
  `budgets.${name}.rate=10000`,
  `budgets.${name}.burst=10000`,
]);
/** Slow enough that a flood from a slow browser exceeds it. */
const SLOW_REFILL = "budgets.session.rate=1";

// A browser on a machine that is busy with other tests is slow.
setDefaultTimeout(90_000);

describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "attacks on the playground", () => {
  let dev: DevProcess;
  let browser: Browser;
  let page: PlaygroundPage;
  beforeAll(async () => {
    [dev, browser] = await Promise.all([startDevProcess(...ROOMY, SLOW_REFILL), launchChromium()]);
    page = await loggedIn();
  });
  afterAll(async () => {
    await browser.close();
    await dev.stop();
  });

  let people = 0;
  async function loggedIn(): Promise<PlaygroundPage> {
    const page = await PlaygroundPage.open(browser, dev.edgeUrl);
    await page.logIn(`person-${people++}@example.com`);
    return page;
  }

  test.each([
    ["garbage", "Refused at check 0, Transport: invalid_argument", "ruuuuuuuuu"],
    ["short-id", "Refused at check 1, Envelope: MALFORMED_ENVELOPE", "pruuuuuuuu"],
    ["foreign-session", "Refused at check 2, Session: SESSION_NOT_FOUND", "ppruuuuuuu"],
    ["swapped-payload", "Refused at check 3, Payload: PAYLOAD_HASH_MISMATCH", "pppruuuuuu"],
    ["swapped-hash", "Refused at check 4, Signature: SIGNATURE_INVALID", "ppppruuuuu"],
    ["wrong-key", "Refused at check 4, Signature: SIGNATURE_INVALID", "ppppruuuuu"],
    ["stale-clock", "Refused at check 5, Freshness: TIMESTAMP_OUT_OF_WINDOW", "pppppruuuu"],
    ["replay", "Refused at check 6, Replay: REQUEST_REPLAYED", "ppppppruuu"],
    ["unknown-type", "Refused at check 8, Routing: MESSAGE_TYPE_UNKNOWN", "ppppppppru"],
    ["changed-answer", "Answer discarded by the client", "pppppppppr"],
    ["old-answer", "Answer discarded by the client", "pppppppppr"],
    ["foreign-answer", "Answer discarded by the client", "pppppppppr"],
    // The last one, because it empties the budget of the session.
    ["flood", "Refused at check 7, Budgets: RATE_LIMITED", "pppppppruu"],
  ])("the attack %s is stopped, and the page says why", async (id, verdict, states) => {
    expect(await page.tamper(id)).toStartWith(verdict);
    expect(await page.states()).toBe(states);
    expect((await shownText(page.page.locator("#verdict .lesson"))).length).toBeGreaterThan(20);
    const selected = page.page.getByRole("tab", { selected: true });
    expect(await selected.getAttribute("data-state")).toBe("refused");
    expect(page.problems()).toEqual([]);
  });

  test("what the attacks change is to be seen in the evidence", async () => {
    const page = await loggedIn();
    await page.tamper("swapped-payload");
    expect(await page.evidence(3)).toContain("✗ not equal");
    await page.tamper("wrong-key");
    expect(await page.evidence(4)).toContain("✗ not the key of this session");
    await page.tamper("stale-clock");
    expect(await page.evidence(5)).toMatch(/Difference\s+-600\.\d+ s[\s\S]*✗ outside the window/);
    await page.tamper("short-id");
    expect(await page.evidence(1)).toMatch(/request_id\s+x\s[^\n]*✗ broken/);
    for (const [id, check] of [
      ["changed-answer", "payload_hash"],
      ["old-answer", "request_id"],
      ["foreign-answer", "signature"],
    ] as const) {
      await page.tamper(id);
      expect(await page.evidence("answer")).toContain(check);
    }
    await page.close();
  });
});

describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "the playground of the executable", () => {
  test("logs in, sends, is attacked, and survives a restart, without the sources", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sallyport-playground-"));
    const executable = join(folder, "sallyport");
    expect((await compileExecutable(join(import.meta.dir, "../../src/main.ts"), executable)).success).toBe(true);
    const [dev, browser] = await Promise.all([startDevExecutable(executable), launchChromium()]);
    const page = await PlaygroundPage.open(browser, dev.edgeUrl);
    await page.logIn("ada@example.com");
    expect(await page.send("user.profile.get")).toStartWith("Answered: ok");
    expect(await page.tamper("foreign-answer")).toStartWith("Answer discarded by the client");
    await page.page.getByRole("button", { name: "Restart the gateway" }).click();
    await page.page.locator("#stream .event", { hasText: "resumed: true" }).waitFor();
    expect(page.problems()).toEqual([]);
    await browser.close();
    expect(await dev.stop()).toBe(0);
    await rm(folder, { recursive: true });
  });
});
