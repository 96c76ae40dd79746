import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { DevBackend } from "../../../src/dev/backend.ts";
import { CODE_ATTEMPTS_MAX, SENT_MAILS_MAX } from "../../../src/dev/limits.ts";
import { call, confirm, FakeClock, KEY, logIn, sendCode, start } from "./harness.ts";

const SEND = "/api/v1/public/auth/send-email-code";
const CONFIRM = "/api/v1/public/auth/confirm-email-code";

describe("login by e-mail code", () => {
  const clock = new FakeClock();
  let backend: DevBackend;
  beforeAll(async () => {
    backend = await start({ clock });
  });
  afterAll(() => backend.stop());

  test("the code from the outbox opens a session that the gateway can look up", async () => {
    const { challengeId, code } = await sendCode(backend, "ada@example.org");
    expect(code).toMatch(/^\d{6}$/);
    const { status, body } = await confirm(backend, challengeId, code);
    expect(status).toBe(200);
    const session = await call(backend, "GET", `/api/v1/internal/sessions/${body.device_session_id}`);
    expect(session).toEqual({
      status: 200,
      body: {
        device_session_id: body.device_session_id,
        user_id: expect.any(String),
        client_public_key: KEY,
        status: "active",
      },
    });
  });

  test("a second device of the same address, however written, is the same user in another session", async () => {
    const first = await logIn(backend, "grace@example.org");
    const second = await logIn(backend, " Grace@Example.ORG ");
    expect(second.userId).toBe(first.userId);
    expect(second.sessionId).not.toBe(first.sessionId);
  });

  test("an unknown session is a 404, not an error of the backend", async () => {
    const answer = await call(backend, "GET", "/api/v1/internal/sessions/nobody");
    expect(answer).toMatchObject({ status: 404, body: { code: "session_unknown" } });
  });

  test("a wrong code is refused, and the right one still works after it", async () => {
    const { challengeId, code } = await sendCode(backend, "w@example.org");
    expect(await confirm(backend, challengeId, otherThan(code))).toMatchObject({ status: 400, body: { code: "wrong_code" } });
    expect((await confirm(backend, challengeId, code)).status).toBe(200);
  });

  test("guessing ends after five attempts, even with the right code", async () => {
    const { challengeId, code } = await sendCode(backend, "guess@example.org");
    for (let attempt = 0; attempt < CODE_ATTEMPTS_MAX; attempt++) {
      expect((await confirm(backend, challengeId, otherThan(code))).body.code).toBe("wrong_code");
    }
    expect(await confirm(backend, challengeId, code)).toMatchObject({ status: 429, body: { code: "too_many_attempts" } });
  });

  test("guesses made at the same moment are counted one by one", async () => {
    const { challengeId, code } = await sendCode(backend, "burst@example.org");
    const answers = await Promise.all(Array.from({ length: 20 }, () => confirm(backend, challengeId, otherThan(code))));
    expect(answers.filter((answer) => answer.body.code === "wrong_code")).toHaveLength(CODE_ATTEMPTS_MAX);
  });

  test("a code opens one session only", async () => {
    const { challengeId, code } = await sendCode(backend, "once@example.org");
    const answers = await Promise.all([confirm(backend, challengeId, code), confirm(backend, challengeId, code)]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 409]);
    expect(await confirm(backend, challengeId, code)).toMatchObject({ body: { code: "challenge_used" } });
  });

  test("a code that was not used in time opens nothing", async () => {
    const { challengeId, code } = await sendCode(backend, "late@example.org");
    clock.advance(10 * 60 * 1000);
    expect(await confirm(backend, challengeId, code)).toMatchObject({ status: 410, body: { code: "challenge_expired" } });
  });

  test("an unknown challenge is refused", async () => {
    expect(await confirm(backend, "none", "123456")).toMatchObject({ status: 404, body: { code: "challenge_unknown" } });
  });

  test.each([
    ["an array", SEND, []],
    ["no e-mail", SEND, {}],
    ["an e-mail that is none", SEND, { email: "ada" }],
    ["an e-mail beyond measure", SEND, { email: `${"a".repeat(300)}@example.org` }],
    ["metadata that is a list", SEND, { email: "a@example.org", metadata: ["x"] }],
    ["metadata with a number", SEND, { email: "a@example.org", metadata: { device: 1 } }],
    ["a key of 31 bytes", CONFIRM, { challenge_id: "x", code: "1", client_public_key: Buffer.alloc(31).toString("base64") }],
    ["a key that is no base64", CONFIRM, { challenge_id: "x", code: "1", client_public_key: "!".repeat(44) }],
    ["a number for a code", CONFIRM, { challenge_id: "x", code: 123456, client_public_key: KEY }],
  ])("a request with %s is told that it is bad", async (_, path, body) => {
    expect(await call(backend, "POST", path, body)).toMatchObject({ status: 400, body: { code: "bad_request" } });
  });

  test("a bad key does not spend the code", async () => {
    const { challengeId, code } = await sendCode(backend, "retry@example.org");
    expect((await confirm(backend, challengeId, code, "short")).status).toBe(400);
    expect((await confirm(backend, challengeId, code)).status).toBe(200);
  });
});

test("codes come from the injected source and keep their leading zeros", async () => {
  const backend = await start({ random: () => 42 });
  expect((await sendCode(backend, "a@example.org")).code).toBe("000042");
  await backend.stop();
});

test("the outbox tells the latest codes, newest last, and no more than it may", async () => {
  const backend = await start();
  for (let n = 0; n <= SENT_MAILS_MAX; n++) await call(backend, "POST", SEND, { email: `${n}@example.org` });
  const { body } = await call(backend, "GET", "/dev/outbox");
  expect(body).toHaveLength(SENT_MAILS_MAX);
  expect(body[0].email).toBe("1@example.org");
  expect(body.at(-1).email).toBe(`${SENT_MAILS_MAX}@example.org`);
  await backend.stop();
});

test("a full house says so: users, sessions and challenges are bounded", async () => {
  const backend = await start({ limits: { usersMax: 1, sessionsMax: 2, challengesMax: 2 } });
  await logIn(backend, "a@example.org");
  const stranger = await sendCode(backend, "b@example.org");
  expect((await confirm(backend, stranger.challengeId, stranger.code)).body.code).toBe("too_many_users");
  await logIn(backend, "a@example.org");
  const third = await sendCode(backend, "a@example.org");
  expect((await confirm(backend, third.challengeId, third.code)).body.code).toBe("too_many_sessions");
  expect((await confirm(backend, stranger.challengeId, stranger.code)).body.code).toBe("challenge_unknown");
  await backend.stop();
});

function otherThan(code: string): string {
  return code === "000000" ? "000001" : "000000";
}
