import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { DevBackend } from "../../../src/dev/backend.ts";
import { call, logIn, PushReader, start } from "./harness.ts";

describe("the development API", () => {
  let backend: DevBackend;
  beforeAll(async () => {
    backend = await start();
  });
  afterAll(() => backend.stop());

  const statusOf = async (sessionId: string) =>
    (await call(backend, "GET", `/api/v1/internal/sessions/${sessionId}`)).body.status;

  test("pushes an event without a payload to one session", async () => {
    const reader = new PushReader(backend.pushUrl);
    await reader.cursor();
    const { body } = await call(backend, "POST", "/dev/push", { device_session_id: "s1", event_type: "a.b" });
    const { kind } = await reader.next();
    expect(kind).toMatchObject({
      case: "clientEvent",
      value: { userId: "", deviceSessionId: "s1", eventType: "a.b", eventId: body.event_id, payloadBytes: new Uint8Array() },
    });
    await reader.close();
  });

  test("marks a revoked session and pushes the revocation; the user's other session stays active", async () => {
    const first = await logIn(backend, "ada@example.org");
    const second = await logIn(backend, "ada@example.org");
    const reader = new PushReader(backend.pushUrl);
    await reader.cursor();
    await call(backend, "POST", "/dev/revoke", { device_session_id: first.sessionId, reason: "stolen" });
    const { kind } = await reader.next();
    expect(kind).toMatchObject({
      case: "sessionInvalidation",
      value: { userId: "", deviceSessionId: first.sessionId, reason: "stolen" },
    });
    expect([await statusOf(first.sessionId), await statusOf(second.sessionId)]).toEqual(["revoked", "active"]);
    await reader.close();
  });

  test("revoking a user revokes only that user's sessions", async () => {
    const first = await logIn(backend, "grace@example.org");
    const second = await logIn(backend, "grace@example.org");
    const other = await logIn(backend, "edsger@example.org");
    const reader = new PushReader(backend.pushUrl);
    await reader.cursor();
    await call(backend, "POST", "/dev/revoke", { user_id: first.userId });
    const { kind } = await reader.next();
    expect(kind).toMatchObject({ case: "sessionInvalidation", value: { userId: first.userId, deviceSessionId: "" } });
    const statuses = await Promise.all([first, second, other].map((session) => statusOf(session.sessionId)));
    expect(statuses).toEqual(["revoked", "revoked", "active"]);
    await reader.close();
  });

  test.each([
    ["/dev/push", "no target", { event_type: "a.b" }, 400, "bad_request"],
    ["/dev/push", "an empty user_id", { user_id: "", event_type: "a.b" }, 400, "bad_request"],
    ["/dev/push", "no event_type", { user_id: "u" }, 400, "bad_request"],
    ["/dev/push", "an event_type of one word", { user_id: "u", event_type: "one" }, 400, "bad_request"],
    ["/dev/push", "a reserved event_type", { user_id: "u", event_type: "gateway.heartbeat" }, 400, "bad_request"],
    ["/dev/push", "a number as user_id", { user_id: 1, event_type: "a.b" }, 400, "bad_request"],
    [
      "/dev/push",
      "an oversized payload",
      { user_id: "u", event_type: "a.b", payload: "x".repeat(256 * 1024) },
      400,
      "bad_request",
    ],
    ["/dev/revoke", "no target", {}, 400, "bad_request"],
    ["/dev/revoke", "an unknown session", { device_session_id: "unknown" }, 404, "session_unknown"],
    ["/dev/revoke", "an unknown user", { user_id: "unknown" }, 404, "user_unknown"],
  ])("%s refuses a body with %s", async (path, _, body, status, code) => {
    expect(await call(backend, "POST", path, body)).toEqual({ status, body: { code, message: expect.any(String) } });
  });
});
