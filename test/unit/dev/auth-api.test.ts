import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { DevBackend } from "../../../src/dev/backend.ts";
import { CODE_ATTEMPTS_MAX, SENT_MAILS_MAX } from "../../../src/dev/limits.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { call, confirm, KEY, logIn, sendCode, start } from "./harness.ts";

const SEND = "/api/v1/public/auth/send-email-code";
const CONFIRM = "/api/v1/public/auth/confirm-email-code";
/** 65 bytes. */
const POINT = Buffer.alloc(65, 4).toString("base64");

describe("login by e-mail code", () => {
  const clock = new ManualClock();
  let backend: DevBackend;
  beforeAll(async () => {
    backend = await start({ clock });
  });
  afterAll(() => backend.stop());

  test("the code of the login e-mail opens a session that the gateway can look up", async () => {
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
        client_key_algorithm: "EdDSA",
        status: "active",
      },
    });
  });

  test("a session keeps the algorithm that its login names", async () => {
    const { challengeId, code } = await sendCode(backend, "es256@example.org");
    const key = { client_public_key: POINT, client_key_algorithm: "ES256" };
    const { body } = await call(backend, "POST", CONFIRM, { challenge_id: challengeId, code, ...key });
    const session = await call(backend, "GET", `/api/v1/internal/sessions/${body.device_session_id}`);
    expect(session.body).toMatchObject(key);
  });

  test("another spelling of an address logs in the same user with a new session", async () => {
    const first = await logIn(backend, "grace@example.org");
    const second = await logIn(backend, " Grace@Example.ORG ");
    expect(second.userId).toBe(first.userId);
    expect(second.sessionId).not.toBe(first.sessionId);
  });

  test("an unknown session is answered with 404 session_unknown", async () => {
    const answer = await call(backend, "GET", "/api/v1/internal/sessions/unknown");
    expect(answer).toMatchObject({ status: 404, body: { code: "session_unknown" } });
  });

  test("the right code works after a wrong code was refused", async () => {
    const { challengeId, code } = await sendCode(backend, "w@example.org");
    expect(await confirm(backend, challengeId, otherThan(code))).toMatchObject({ status: 400, body: { code: "wrong_code" } });
    expect((await confirm(backend, challengeId, code)).status).toBe(200);
  });

  test("after five wrong codes, the right code is refused", async () => {
    const { challengeId, code } = await sendCode(backend, "guess@example.org");
    for (let attempt = 0; attempt < CODE_ATTEMPTS_MAX; attempt++) {
      expect((await confirm(backend, challengeId, otherThan(code))).body.code).toBe("wrong_code");
    }
    expect(await confirm(backend, challengeId, code)).toMatchObject({ status: 429, body: { code: "too_many_attempts" } });
  });

  test("concurrent wrong codes are each counted", async () => {
    const { challengeId, code } = await sendCode(backend, "burst@example.org");
    const answers = await Promise.all(Array.from({ length: 20 }, () => confirm(backend, challengeId, otherThan(code))));
    expect(answers.filter((answer) => answer.body.code === "wrong_code")).toHaveLength(CODE_ATTEMPTS_MAX);
  });

  test("a code opens only one session", async () => {
    const { challengeId, code } = await sendCode(backend, "once@example.org");
    const answers = await Promise.all([confirm(backend, challengeId, code), confirm(backend, challengeId, code)]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 409]);
    expect(await confirm(backend, challengeId, code)).toMatchObject({ body: { code: "challenge_used" } });
  });

  test("an expired code is refused", async () => {
    const { challengeId, code } = await sendCode(backend, "late@example.org");
    clock.advance(10 * 60 * 1000);
    expect(await confirm(backend, challengeId, code)).toMatchObject({ status: 410, body: { code: "challenge_expired" } });
  });

  test("an unknown challenge is refused", async () => {
    expect(await confirm(backend, "none", "123456")).toMatchObject({ status: 404, body: { code: "challenge_unknown" } });
  });

  test.each([
    ["an array as its body", SEND, []],
    ["no email", SEND, {}],
    ["an invalid email", SEND, { email: "ada" }],
    ["an email of more than 254 characters", SEND, { email: `${"a".repeat(300)}@example.org` }],
    ["a list as metadata", SEND, { email: "a@example.org", metadata: ["x"] }],
    ["a number in metadata", SEND, { email: "a@example.org", metadata: { device: 1 } }],
    ["a key of 31 bytes", CONFIRM, { challenge_id: "x", code: "1", client_public_key: Buffer.alloc(31).toString("base64") }],
    ["a key of 65 bytes for EdDSA", CONFIRM, { challenge_id: "x", code: "1", client_public_key: POINT }],
    [
      "a key of 32 bytes for ES256",
      CONFIRM,
      { challenge_id: "x", code: "1", client_public_key: KEY, client_key_algorithm: "ES256" },
    ],
    [
      "an unknown algorithm",
      CONFIRM,
      { challenge_id: "x", code: "1", client_public_key: POINT, client_key_algorithm: "es256" },
    ],
    ["null as the algorithm", CONFIRM, { challenge_id: "x", code: "1", client_public_key: KEY, client_key_algorithm: null }],
    ["a key that is not base64", CONFIRM, { challenge_id: "x", code: "1", client_public_key: "!".repeat(44) }],
    ["a number as the code", CONFIRM, { challenge_id: "x", code: 123456, client_public_key: KEY }],
  ])("a request with %s is answered with 400 bad_request", async (_, path, body) => {
    expect(await call(backend, "POST", path, body)).toMatchObject({ status: 400, body: { code: "bad_request" } });
  });

  test("a request with a bad key does not use up the code", async () => {
    const { challengeId, code } = await sendCode(backend, "retry@example.org");
    expect((await confirm(backend, challengeId, code, "short")).status).toBe(400);
    expect((await confirm(backend, challengeId, code)).status).toBe(200);
  });
});

test("codes come from the injected random source and keep leading zeros", async () => {
  const backend = await start({ random: () => 42 });
  expect((await sendCode(backend, "a@example.org")).code).toBe("000042");
  await backend.stop();
});

test("GET /dev/outbox returns the latest e-mails, newest last, up to its limit", async () => {
  const backend = await start();
  for (let n = 0; n <= SENT_MAILS_MAX; n++) await call(backend, "POST", SEND, { email: `${n}@example.org` });
  const { body } = await call(backend, "GET", "/dev/outbox");
  expect(body).toHaveLength(SENT_MAILS_MAX);
  expect(body[0].email).toBe("1@example.org");
  expect(body.at(-1).email).toBe(`${SENT_MAILS_MAX}@example.org`);
  await backend.stop();
});

test("users, sessions and challenges are bounded", async () => {
  const backend = await start({ limits: { usersMax: 1, sessionsMax: 2, challengesMax: 2 } });
  await logIn(backend, "a@example.org");
  const second = await sendCode(backend, "b@example.org");
  expect((await confirm(backend, second.challengeId, second.code)).body.code).toBe("too_many_users");
  await logIn(backend, "a@example.org");
  const third = await sendCode(backend, "a@example.org");
  expect((await confirm(backend, third.challengeId, third.code)).body.code).toBe("too_many_sessions");
  expect((await confirm(backend, second.challengeId, second.code)).body.code).toBe("challenge_unknown");
  await backend.stop();
});

function otherThan(code: string): string {
  return code === "000000" ? "000001" : "000000";
}

test("a guest gets a user without an e-mail address, and a session; two guests are two users", async () => {
  const backend = await start();
  const guest = () => call(backend, "POST", "/api/v1/public/auth/guest", { client_public_key: KEY });
  const userOf = async ({ body }: Awaited<ReturnType<typeof guest>>) =>
    (await call(backend, "GET", `/api/v1/internal/sessions/${body.device_session_id}`)).body.user_id;
  const users = [await userOf(await guest()), await userOf(await guest())];
  expect(new Set(users).size).toBe(2);
  expect((await call(backend, "POST", "/api/v1/public/auth/guest", {})).status).toBe(400);
  await backend.stop();
});
