import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { DevBackend } from "../../../src/dev/backend.ts";
import { DEV_ROUTES } from "../../../src/dev/user-api.ts";
import { call, logIn, PushReader, payloadOf, start } from "./harness.ts";

const PROFILE = "/api/v1/user/profile";
const ROOM = "/api/v1/user/rooms/lobby/messages";

describe("the user API", () => {
  let backend: DevBackend;
  let ada: { userId: string; sessionId: string };
  let grace: { userId: string; sessionId: string };
  beforeAll(async () => {
    backend = await start();
    ada = await logIn(backend, "ada@example.org");
    grace = await logIn(backend, "grace@example.org");
  });
  afterAll(() => backend.stop());

  const headersOf = (user: { userId: string; sessionId: string }, key?: string) => ({
    "x-user-id": user.userId,
    "x-device-session-id": user.sessionId,
    ...(key === undefined ? {} : { "idempotency-key": key }),
  });

  test("serves every route of DEV_ROUTES", async () => {
    for (const route of DEV_ROUTES) {
      const path = route.path.replace("{room_id}", "lobby");
      const body = route.method === "GET" ? undefined : { display_name: "Ada", text: "hello" };
      expect((await call(backend, route.method, path, body, headersOf(ada))).status).toBeLessThan(300);
    }
  });

  test("returns the profile and stores a new display name", async () => {
    const before = await call(backend, "GET", PROFILE, undefined, headersOf(grace));
    expect(before).toEqual({
      status: 200,
      body: { user_id: grace.userId, email: "grace@example.org", display_name: "grace" },
    });
    const renamed = await call(backend, "PATCH", PROFILE, { display_name: " Grace Hopper 🐛 " }, headersOf(grace));
    expect(renamed.body.display_name).toBe("Grace Hopper 🐛");
    expect((await call(backend, "GET", PROFILE, undefined, headersOf(grace))).body).toEqual(renamed.body);
  });

  test.each([
    ["a blank name", { display_name: "  " }, 422, "display_name_empty"],
    ["a name of 65 characters", { display_name: "x".repeat(65) }, 422, "display_name_too_long"],
    ["a name with a lone surrogate", { display_name: "\ud800" }, 400, "bad_request"],
    ["null as the name", { display_name: null }, 400, "bad_request"],
    ["no name", {}, 400, "bad_request"],
  ])("refuses a profile update with %s", async (_, body, status, code) => {
    expect(await call(backend, "PATCH", PROFILE, body, headersOf(ada))).toEqual({
      status,
      body: { code, message: expect.any(String) },
    });
  });

  test("answers calls without a known X-User-Id with 401 user_unknown", async () => {
    expect((await call(backend, "GET", PROFILE)).body.code).toBe("user_unknown");
    expect((await call(backend, "POST", ROOM, { text: "x" }, { "x-user-id": "unknown" })).status).toBe(401);
  });

  test("pushes a message to every user, each time with its own event id", async () => {
    const reader = new PushReader(backend.pushUrl);
    await reader.cursor();
    const { status, body } = await call(
      backend,
      "POST",
      "/api/v1/user/rooms/a%2Fb/messages",
      { text: "hello" },
      headersOf(ada),
    );
    expect({ status, body }).toEqual({ status: 201, body: { message_id: expect.any(String), room_id: "a/b" } });
    const events = [await reader.next(), await reader.next()];
    const values = events.map((event) => (event.kind.case === "clientEvent" ? event.kind.value : undefined));
    expect(values.map((value) => value?.userId)).toEqual([ada.userId, grace.userId]);
    expect(values.map((value) => [value?.eventType, value?.deviceSessionId])).toEqual([
      ["chat.message", ""],
      ["chat.message", ""],
    ]);
    expect(new Set(values.map((value) => value?.eventId)).size).toBe(2);
    for (const event of events) {
      expect(payloadOf(event)).toEqual({ message_id: body.message_id, room_id: "a/b", from: ada.userId, text: "hello" });
    }
    await reader.close();
  });

  test("answers a repeated request with the first message and pushes nothing", async () => {
    const reader = new PushReader(backend.pushUrl);
    await reader.cursor();
    const send = (user: typeof ada, text: string) => call(backend, "POST", ROOM, { text }, headersOf(user, "request-1"));
    const first = await send(ada, "one");
    expect(await send(ada, "one")).toEqual(first);
    const other = await send(grace, "two");
    expect(other.body.message_id).not.toBe(first.body.message_id);
    const texts = [];
    for (let n = 0; n < 4; n++) texts.push(payloadOf(await reader.next()).text);
    expect(texts).toEqual(["one", "one", "two", "two"]);
    expect((await send(ada, "three")).body.code).toBe("idempotency_key_reused");
    await reader.close();
  });

  test.each([
    ["a blank text", { text: " \n" }, 422, "text_empty"],
    ["a text of 4,001 characters", { text: "x".repeat(4001) }, 422, "text_too_long"],
    ["a number as its text", { text: 5 }, 400, "bad_request"],
  ])("refuses a message with %s", async (_, body, status, code) => {
    expect(await call(backend, "POST", ROOM, body, headersOf(ada))).toMatchObject({ status, body: { code } });
  });
});

test("deletes the oldest messages beyond messagesMax, with their idempotency keys", async () => {
  const backend = await start({ limits: { messagesMax: 2 } });
  const { userId } = await logIn(backend, "a@example.org");
  const send = (key: string) =>
    call(backend, "POST", ROOM, { text: "x" }, { "x-user-id": userId, "idempotency-key": key }).then((a) => a.body.message_id);
  const first = await send("key-1");
  expect(await send("key-1")).toBe(first);
  await send("key-2");
  await send("key-3");
  expect(await send("key-1")).not.toBe(first);
  await backend.stop();
});
