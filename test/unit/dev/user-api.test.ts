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

  const as = (user: { userId: string; sessionId: string }, key?: string) => ({
    "x-user-id": user.userId,
    "x-device-session-id": user.sessionId,
    ...(key === undefined ? {} : { "idempotency-key": key }),
  });

  test("every route of the route table is served", async () => {
    for (const route of DEV_ROUTES) {
      const path = route.path.replace("{room_id}", "lobby");
      const body = route.method === "GET" ? undefined : { display_name: "Ada", text: "hello" };
      expect((await call(backend, route.method, path, body, as(ada))).status).toBeLessThan(300);
    }
  });

  test("a profile tells who one is, and a new name is kept", async () => {
    const before = await call(backend, "GET", PROFILE, undefined, as(grace));
    expect(before).toEqual({
      status: 200,
      body: { user_id: grace.userId, email: "grace@example.org", display_name: "grace" },
    });
    const renamed = await call(backend, "PATCH", PROFILE, { display_name: " Grace Hopper 🐛 " }, as(grace));
    expect(renamed.body.display_name).toBe("Grace Hopper 🐛");
    expect((await call(backend, "GET", PROFILE, undefined, as(grace))).body).toEqual(renamed.body);
  });

  test.each([
    [{ display_name: "  " }, 422, "display_name_empty"],
    [{ display_name: "x".repeat(65) }, 422, "display_name_too_long"],
    [{ display_name: "\ud800" }, 400, "bad_request"],
    [{ display_name: null }, 400, "bad_request"],
    [{}, 400, "bad_request"],
  ])("a name that cannot be is a business error: %j", async (body, status, code) => {
    expect(await call(backend, "PATCH", PROFILE, body, as(ada))).toEqual({
      status,
      body: { code, message: expect.any(String) },
    });
  });

  test("without a known user nothing is served", async () => {
    expect((await call(backend, "GET", PROFILE)).body.code).toBe("user_unknown");
    expect((await call(backend, "POST", ROOM, { text: "x" }, { "x-user-id": "nobody" })).status).toBe(401);
  });

  test("a message reaches every user, with ids of its own for each", async () => {
    const reader = new PushReader(backend.pushUrl);
    await reader.cursor();
    const { status, body } = await call(backend, "POST", "/api/v1/user/rooms/a%2Fb/messages", { text: "hello" }, as(ada));
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

  test("a request sent twice posts once: same answer, nothing pushed again", async () => {
    const reader = new PushReader(backend.pushUrl);
    await reader.cursor();
    const send = (user: typeof ada, text: string) => call(backend, "POST", ROOM, { text }, as(user, "request-1"));
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
    [{ text: " \n" }, 422, "text_empty"],
    [{ text: "x".repeat(4001) }, 422, "text_too_long"],
    [{ text: 5 }, 400, "bad_request"],
  ])("a message that cannot be is a business error", async (body, status, code) => {
    expect(await call(backend, "POST", ROOM, body, as(ada))).toMatchObject({ status, body: { code } });
  });
});

test("the oldest messages make room for new ones", async () => {
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
