import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { outboxCode } from "../support/email-code.ts";
import { until } from "../support/until.ts";
import type { PublishedClient } from "./pages/published-clients.ts";
import type { BrowserPage } from "./support/browser-page.ts";
import { type BrowserWorld, openBrowserWorld } from "./support/browser-world.ts";
import { NO_CHROMIUM } from "./support/chromium.ts";

type Entry = typeof import("./pages/published-clients.ts");

const ENTRY = join(import.meta.dir, "pages/published-clients.ts");
const CLIENTS: readonly PublishedClient[] = [
  "grpc-web, text",
  "grpc-web, binary",
  "connect-web, Connect, JSON",
  "connect-web, Connect, binary",
  "connect-web, gRPC-Web, binary",
  "connect-web, gRPC-Web, JSON",
];
/** In binary mode, the published gRPC-Web client gets a response only at its end. */
const STREAMING = CLIENTS.filter((name) => name !== "grpc-web, binary");

describe.skipIf(NO_CHROMIUM !== undefined)(NO_CHROMIUM ?? "published clients in Chromium", () => {
  let browser: BrowserWorld<Entry>;
  beforeAll(async () => {
    browser = await openBrowserWorld(ENTRY);
  });
  afterAll(() => browser.close());

  /** A page that has logged in over the edge, and its session. */
  async function loggedIn(email: string): Promise<{ page: BrowserPage<Entry>; deviceSessionId: string }> {
    const page = await browser.open();
    const { gateway, backend } = browser.world;
    const challengeId = await page.call("startLogin", gateway.edgeUrl, email);
    const deviceSessionId = await page.call("finishLogin", challengeId, await outboxCode(backend.restUrl, challengeId));
    return { page, deviceSessionId };
  }

  test.each(CLIENTS)("%s logs in, executes commands, and verifies the signatures of the answers", async (name) => {
    const { page } = await loggedIn(`execute-${CLIENTS.indexOf(name)}@example.com`);
    const keySet: { keys: { kid: string }[] } = await (
      await fetch(`${browser.world.gateway.edgeUrl}/.well-known/jwks.json`)
    ).json();
    const displayName = `Ada ${"é".repeat(30)}`;
    expect(await page.call("execute", name, "user.profile.update", { display_name: displayName })).toMatchObject({
      resultCode: "ok",
      keyId: keySet.keys[0]?.kid,
    });
    expect(await page.call("execute", name, "user.profile.get")).toMatchObject({ payload: { display_name: displayName } });
    // An answer that a key that is not trusted has signed is not accepted: the signature is really checked.
    expect(await page.call("executeWithPin", name, "another-key")).toBe("key_unknown");
    expect(page.errors()).toEqual([]);
  });

  test.each(CLIENTS)("%s sends long requests and gets the reasons of refusals", async (name) => {
    const { page } = await loggedIn(`refused-${CLIENTS.indexOf(name)}@example.com`);
    const long = { display_name: "x".repeat(200_000) };
    expect(await page.call("execute", name, "user.profile.update", long)).toMatchObject({
      resultCode: expect.stringContaining("display_name"),
    });
    expect(await page.call("execute", name, "no.such.command")).toBe("MESSAGE_TYPE_UNKNOWN");
    expect(await page.call("execute", name, "user.profile.update", { display_name: "x".repeat(300_000) })).toBe(
      "REQUEST_TOO_LARGE",
    );
  });

  test.each(STREAMING)("%s gets events as they are published, and the reason of the stream's end", async (name) => {
    const { page, deviceSessionId } = await loggedIn(`subscribe-${CLIENTS.indexOf(name)}@example.com`);
    const { push, revoke } = browser.world;
    await page.call("subscribe", name);
    const received = async (count: number) => {
      await until(async () => (await page.call("received")).events.length >= count, `${count} events`);
      return page.call("received");
    };
    // The stream stays open: each event must be readable before the next is published.
    const audience = `session:${deviceSessionId}`;
    expect((await received(1)).events).toMatchObject([{ eventType: "gateway.server_time", audience }]);
    for (const n of [1, 2, 3]) {
      await push({ device_session_id: deviceSessionId, event_type: "count.up", payload: { n, text: "é".repeat(n) } });
      const { events, ended } = await received(n + 1);
      expect(events.at(-1)).toEqual({ eventType: "count.up", audience, payload: { n, text: "é".repeat(n) } });
      expect(ended).toBeUndefined();
    }
    await revoke({ device_session_id: deviceSessionId });
    await until(async () => (await page.call("received")).ended !== undefined, "the end of the stream");
    expect((await page.call("received")).ended).toBe("SESSION_REVOKED");
    expect(await page.call("execute", name, "user.profile.get")).toBe("SESSION_REVOKED");
  });
});
