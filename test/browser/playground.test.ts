import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser } from "playwright-core";
import { type DevProcess, startDevProcess } from "../support/dev-process.ts";
import { until } from "../support/until.ts";
import { launchChromium, NO_CHROMIUM } from "./support/chromium.ts";
import { PlaygroundPage, shownText } from "./support/playground-page.ts";

/** What a person does on the playground, and what the page shows. */

/** Logins of many tests from one address. The budgets of commands keep their defaults. */
const ROOMY = ["public_misc", "public_auth", "send_code", "failures"].flatMap((name) => [
  `budgets.${name}.rate=10000`,
  `budgets.${name}.burst=10000`,
]);
const UPDATE = '{"display_name":"Ada Lovelace"}';

// A browser on a machine that is busy with other tests is slow.
setDefaultTimeout(90_000);

describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "the playground in Chromium", () => {
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
  async function loggedIn(): Promise<PlaygroundPage> {
    const page = await PlaygroundPage.open(browser, dev.edgeUrl);
    await page.logIn(`person-${people++}@example.com`);
    return page;
  }

  test("a command passes the nine checks, each with its evidence, and the answer is verified", async () => {
    const page = await loggedIn();
    expect(await page.send("user.profile.update", UPDATE)).toStartWith("Answered: ok");
    expect(await page.states()).toBe("pppppppppp");
    const evidence = [
      [0, /POST \/sallyport\.v1\.Gateway\/ExecuteCommand[\s\S]*HTTP status\s+200/],
      [1, /protocol_version\s+v1\s[\s\S]*message_type\s+user\.profile\.update/],
      [2, /Session id\s+[\w-]{36}\s+User\s+[\w-]{36}/],
      [3, /display_name":"Ada Lovelace"[\s\S]*✓ equal/],
      [4, /✓ the key of this session[\s\S]*sallyport\.request\.v1/],
      [5, /✓ fresh/],
      [6, /Request id\s+[\w-]{36}/],
      [7, /session\s+10 per second\s+at most 20/],
      [8, /PATCH \/api\/v1\/user\/profile[\s\S]*Result\s+ok/],
      ["answer", /"display_name": "Ada Lovelace"[\s\S]*Key id\s+[\w-]{43}[\s\S]*sallyport\.response\.v1/],
    ] as const;
    for (const [station, shown] of evidence) expect(await page.evidence(station)).toMatch(shown);
    expect(page.problems()).toEqual([]);
    await page.close();
  });

  test("the signing input on the page is the one that the contract defines, frame by frame", async () => {
    const page = await loggedIn();
    await page.send("user.profile.get");
    const rows = async () => {
      await page.evidence(4);
      return page.page.locator("#evidence tbody tr").allInnerTexts();
    };
    const names = (await rows()).map((row) => row.split(/\s/)[0]);
    expect(names).toEqual([
      "domain",
      "protocol_version",
      "device_session_id",
      "message_type",
      "timestamp_ms",
      "request_id",
      "payload_hash",
    ]);
    const hex = await shownText(page.page.locator("#evidence .hex"));
    expect(hex).toStartWith(`00000014${Buffer.from("sallyport.request.v1").toString("hex")}000000027631`);
    const emptyHash = new Bun.CryptoHasher("sha256").update("").digest("hex");
    expect(hex).toEndWith(`00000020${emptyHash}`);
    await page.close();
  });

  test("a business error is a signed answer, and every kind of command can be sent", async () => {
    const page = await loggedIn();
    expect(await page.send("user.profile.update", '{"display_name":""}')).toStartWith("Answered: display_name_empty");
    expect(await page.send("chat.message.send", '{"room_id":"lobby","text":"hello"}')).toStartWith("Answered: ok");
    await page.page.locator("#stream .event", { hasText: "chat.message" }).first().waitFor();
    expect(await page.send("chat.message.send", '{"text":"no room"}')).toStartWith(
      "Refused at check 8, Routing: PAYLOAD_INVALID",
    );
    expect(page.problems()).toEqual([]);
    await page.close();
  });

  test("a payload that is not JSON is not sent", async () => {
    const page = await loggedIn();
    const payload = page.page.getByLabel("Payload, JSON or empty");
    await payload.fill("{oops");
    await page.page.getByRole("button", { name: "Sign and send" }).click();
    expect(await shownText(page.page.locator("#payload-problem"))).toStartWith("Not JSON:");
    expect(await payload.getAttribute("aria-invalid")).toBe("true");
    expect(await page.page.locator("#history li").count()).toBe(0);
    await page.close();
  });

  test("a command with an idempotency key is executed once: the second answer is the kept one", async () => {
    const page = await loggedIn();
    await page.page.getByText("Idempotency", { exact: true }).click();
    await page.page.getByRole("button", { name: "New key" }).click();
    const message = '{"room_id":"lobby","text":"once"}';
    expect(await page.send("chat.message.send", message)).not.toContain("kept answer");
    expect(await page.send("chat.message.send", message)).toContain("the kept answer of an earlier attempt");
    expect(await page.send("chat.message.send", '{"room_id":"lobby","text":"twice"}')).toContain("IDEMPOTENCY_KEY_REUSED");
    await page.page.locator("#stream .event", { hasText: "once" }).waitFor();
    expect(await page.page.locator("#stream .event", { hasText: "chat.message" }).count()).toBe(1);
    await page.close();
  });

  test("a browser that stores nothing can still log in, and the page says what a reload does", async () => {
    const context = await browser.newContext({ reducedMotion: "reduce" });
    await context.addInitScript(() => {
      IDBFactory.prototype.open = () => {
        throw new DOMException("no storage", "SecurityError");
      };
    });
    const page = await PlaygroundPage.openIn(context, dev.edgeUrl);
    await page.logIn(`person-${people++}@example.com`);
    expect(await shownText(page.page.locator("#device"))).toContain("A reload logs out");
    expect(await page.send("user.profile.get")).toStartWith("Answered: ok");
    await page.page.getByRole("button", { name: "Log out" }).click();
    await page.page.getByLabel("E-mail address").waitFor();
    await page.close();
  });

  test("the session of an earlier `sallyport dev` is refused, and the page offers a new login", async () => {
    const first = await startDevProcess(...ROOMY);
    const page = await PlaygroundPage.open(browser, first.edgeUrl);
    await page.logIn("ada@example.com");
    await first.stop();
    const second = await startDevProcess(...ROOMY, `edge.listen=${new URL(first.edgeUrl).host}`);
    await page.page.reload();
    await page.page.locator("#stream", { hasText: "SESSION_NOT_FOUND" }).waitFor();
    await page.page.getByRole("button", { name: "Log in again" }).click();
    await page.logIn("ada@example.com");
    expect(await page.send("user.profile.get")).toStartWith("Answered: ok");
    await page.close();
    await second.stop();
  });

  test("the history shows an earlier attempt again, and puts its command back into the editor", async () => {
    const page = await loggedIn();
    await page.send("user.profile.update", UPDATE);
    await page.tamper("replay");
    await page.send("user.profile.get");
    await page.page.locator("#history li").last().getByRole("button").click();
    expect(await page.page.getByLabel("Message type", { exact: true }).inputValue()).toBe("user.profile.update");
    expect(JSON.parse(await page.page.getByLabel("Payload, JSON or empty").inputValue())).toEqual(JSON.parse(UPDATE));
    expect(await shownText(page.page.locator("#verdict"))).toStartWith("Answered: ok");
    await page.close();
  });

  test("a reload keeps the session and its key, and the key cannot be exported", async () => {
    const page = await loggedIn();
    const device = () => page.page.locator("#device dd").allInnerTexts();
    const before = await device();
    await page.page.reload();
    await page.streamIs("live");
    expect(await device()).toEqual(before);
    expect(await page.send("user.profile.get")).toStartWith("Answered: ok");
    expect(await page.page.evaluate(exportStoredKey)).toEqual({ extractable: false, error: "InvalidAccessError" });
    expect(page.problems()).toEqual([]);
    await page.close();
  });

  test("a device with a P-256 key signs and is verified", async () => {
    const page = await PlaygroundPage.open(browser, dev.edgeUrl);
    await page.page.getByLabel("E-mail address").fill("p256@example.com");
    await page.page.getByRole("button", { name: "Send me a code" }).click();
    await page.page.getByLabel(/^P-256/).check();
    await page.page.getByRole("button", { name: /^Use code/ }).click();
    await page.page.getByRole("button", { name: "Log in" }).click();
    await page.streamIs("live");
    expect(await page.send("user.profile.get")).toStartWith("Answered: ok");
    expect(await page.evidence(4)).toContain("ES256");
    expect(await page.tamper("wrong-key")).toStartWith("Refused at check 4");
    await page.close();
  });

  test("a wrong code is explained beside the code, and another try works", async () => {
    const page = await PlaygroundPage.open(browser, dev.edgeUrl);
    await page.page.getByLabel("E-mail address").fill("typo@example.com");
    await page.page.getByRole("button", { name: "Send me a code" }).click();
    const code = page.page.getByLabel("Code", { exact: true });
    await code.fill("nope");
    await page.page.getByRole("button", { name: "Log in" }).click();
    await page.page.locator("#login-problem", { hasText: "wrong_code" }).waitFor();
    expect(await code.getAttribute("aria-invalid")).toBe("true");
    await page.page.getByRole("button", { name: /^Use code/ }).click();
    await page.page.getByRole("button", { name: "Log in" }).click();
    await page.streamIs("live");
    await page.close();
  });

  test("a pushed event arrives verified; a revocation ends the stream and every command; a new login works", async () => {
    const page = await loggedIn();
    await page.page.getByRole("button", { name: "Push an event" }).click();
    const pushed = page.page.locator("#stream .event", { hasText: "demo.greeting" });
    await pushed.waitFor();
    expect(await shownText(pushed)).toMatch(/verified[\s\S]*for this session[\s\S]*"number":1/);
    await pushed.getByText("evidence", { exact: true }).click();
    await pushed.getByText("sallyport.event.v1").waitFor();
    expect(await shownText(pushed)).toMatch(/Audience\s+session:[\w-]{36}\s+Key id\s+[\w-]{43}[\s\S]*demo\.greeting/);
    await page.page.getByRole("button", { name: "Revoke this session" }).click();
    await page.streamIs("ended");
    await page.page.locator("#stream", { hasText: "SESSION_REVOKED" }).waitFor();
    expect(await page.send("user.profile.get")).toStartWith("Refused at check 2, Session: SESSION_REVOKED");
    await page.page.getByRole("button", { name: "Log in again" }).click();
    await page.logIn(`person-${people++}@example.com`);
    expect(await page.send("user.profile.get")).toStartWith("Answered: ok");
    expect(page.problems()).toEqual([]);
    await page.close();
  });

  test("the stream survives a restart of the gateway: resumed, and no event is missed or doubled", async () => {
    const page = await loggedIn();
    const push = page.page.getByRole("button", { name: "Push an event" });
    const greetings = page.page.locator("#stream .event", { hasText: "demo.greeting" });
    await push.click();
    await greetings.first().waitFor();
    const starts = dev.logged().split("gateway started").length;
    await page.page.getByRole("button", { name: "Restart the gateway" }).click();
    await until(() => dev.logged().split("gateway started").length > starts, "the gateway to start again");
    // The stream is cut until the client's delay is over, so this event is one that it missed.
    const [device_session_id = ""] = await page.page.locator("#device dd").allInnerTexts();
    const body = JSON.stringify({ device_session_id, event_type: "demo.missed" });
    await fetch(`${dev.backendUrl}/dev/push`, { method: "POST", headers: { "content-type": "application/json" }, body });
    await page.page.locator("#stream .event", { hasText: "resumed: true" }).waitFor();
    await page.streamIs("live");
    await push.click();
    await greetings.nth(1).waitFor();
    const types = await page.page.locator("#stream .event .type").allInnerTexts();
    expect(types.filter((type) => type.startsWith("demo."))).toEqual(["demo.greeting", "demo.missed", "demo.greeting"]);
    await until(async () => (await page.send("user.profile.get")).startsWith("Answered: ok"), "a command after the restart");
    expect(page.problems()).toEqual([]);
    await page.close();
  });
});

/** Runs in the page: tries to export the private key that IndexedDB holds. */
async function exportStoredKey(): Promise<{ extractable: boolean; error: string }> {
  const opening = indexedDB.open("sallyport-playground");
  await new Promise((resolve) => opening.addEventListener("success", resolve));
  const reading = opening.result.transaction("credentials").objectStore("credentials").getAll();
  await new Promise((resolve) => reading.addEventListener("success", resolve));
  const { privateKey }: { privateKey: CryptoKey } = reading.result[0];
  const error = await crypto.subtle.exportKey("pkcs8", privateKey).then(
    () => "none",
    (thrown: Error) => thrown.name,
  );
  return { extractable: privateKey.extractable, error };
}
