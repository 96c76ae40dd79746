import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DevBackend } from "../../../src/dev/backend.ts";
import { REST_BODY_BYTES_MAX } from "../../../src/dev/limits.ts";
import { call, logIn, PushReader, payloadOf, push, start } from "./harness.ts";

const SEND = "/api/v1/public/auth/send-email-code";
const JSON_TYPE = { "content-type": "application/json" };

describe("starting", () => {
  test("a REST port in use is said in one line that names it", async () => {
    const first = await start();
    const address = { host: "127.0.0.1", port: Number(new URL(first.restUrl).port) };
    const failure = await start({ restListen: address }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "EADDRINUSE" });
    expect(String(failure)).toEndWith(`REST API cannot listen on 127.0.0.1:${address.port}: the port is in use`);
    await first.stop();
  });

  test("a push port in use is said in one line that names it", async () => {
    const first = await start();
    const address = { host: "127.0.0.1", port: Number(new URL(first.pushUrl).port) };
    const failure = await start({ pushListen: address }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "EADDRINUSE" });
    expect(String(failure)).toEndWith(`push feed cannot listen on 127.0.0.1:${address.port}: the port is in use`);
    await first.stop();
  });

  test("a failed start frees the port that it had already taken", async () => {
    const first = await start();
    const restListen = { host: "127.0.0.1", port: Number(new URL(first.restUrl).port) };
    const probe = await start();
    const pushListen = { host: "127.0.0.1", port: Number(new URL(probe.pushUrl).port) };
    await probe.stop();
    await expect(start({ restListen, pushListen })).rejects.toThrow("REST API");
    await first.stop();
    const second = await start({ restListen, pushListen });
    expect(await new PushReader(second.pushUrl).cursor()).toMatch(/^\d+$/);
    await second.stop();
  });

  test("a database that cannot be opened is an error, not a new life without it", async () => {
    await expect(start({ database: "/nonexistent/state.db" })).rejects.toThrow();
  });
});

describe("a database file", () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-dev-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("sessions, profiles and cursors outlive a restart", async () => {
    const database = join(folder, "state.db");
    const first = await start({ database });
    const { sessionId, userId } = await logIn(first, "ada@example.org");
    const cursor = await new PushReader(first.pushUrl).cursor();
    await push(first, userId, "missed");
    await first.stop();
    const second = await start({ database });
    const session = await call(second, "GET", `/api/v1/internal/sessions/${sessionId}`);
    expect(session.body).toMatchObject({ user_id: userId, status: "active" });
    const reader = new PushReader(second.pushUrl, cursor);
    await reader.cursor();
    expect(payloadOf(await reader.next())).toBe("missed");
    await second.stop();
  });

  test("one file serves one backend at a time", async () => {
    const database = join(folder, "shared.db");
    const first = await start({ database });
    await expect(start({ database })).rejects.toThrow("locked");
    await first.stop();
  });

  test("a file that is something else is refused and left alone", async () => {
    const file = join(folder, "letter.txt");
    await Bun.write(file, "Dear Ada, ".repeat(1000));
    await expect(start({ database: file })).rejects.toThrow();
    expect(await Bun.file(file).text()).toBe("Dear Ada, ".repeat(1000));
  });
});

describe("bad input", () => {
  let backend: DevBackend;
  beforeAll(async () => {
    backend = await start();
  });
  afterAll(() => backend.stop());

  test("unknown paths are 404 in JSON", async () => {
    for (const path of ["/", "/api/v1/user/rooms//messages", "/dev", "/api/v1/user/profile/"]) {
      expect(await call(backend, "GET", path)).toMatchObject({ status: 404, body: { code: "not_found" } });
    }
  });

  test("a wrong method is 405 in JSON and says which are right", async () => {
    const response = await fetch(`${backend.restUrl}/api/v1/user/profile`, { method: "DELETE" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, PATCH");
    expect(await response.json()).toMatchObject({ code: "method_not_allowed" });
  });

  test.each(["", "{", "null", "1", "[]", '"text"', "\u0000", '{"email":'])(
    "a body that is no JSON object (%j) is a 400",
    async (body) => {
      const response = await fetch(backend.restUrl + SEND, { method: "POST", headers: JSON_TYPE, body });
      expect([response.status, await response.json()]).toEqual([400, { code: "bad_request", message: expect.any(String) }]);
    },
  );

  test("a body over the bound is refused, announced or not", async () => {
    const big = new Uint8Array(REST_BODY_BYTES_MAX + 1).fill(0x20);
    const announced = await fetch(backend.restUrl + SEND, { method: "POST", headers: JSON_TYPE, body: big });
    expect(announced.status).toBe(413);
    const streamed = await fetch(backend.restUrl + SEND, {
      method: "POST",
      headers: JSON_TYPE,
      body: new Blob([big]).stream(),
    });
    expect(streamed.status).toBe(413);
    expect((await call(backend, "GET", "/dev/outbox")).status).toBe(200);
  });

  test("text of every kind comes back as it went in", async () => {
    const { userId } = await logIn(backend, "text@example.org");
    for (const name of ["Zoë", "名前", "a\u0000b", "'; DROP TABLE users; --", "__proto__"]) {
      const answer = await call(backend, "PATCH", "/api/v1/user/profile", { display_name: name }, { "x-user-id": userId });
      expect(answer.body.display_name).toBe(name);
      const profile = await call(backend, "GET", "/api/v1/user/profile", undefined, { "x-user-id": userId });
      expect(profile.body.display_name).toBe(name);
    }
  });
});

test("stopping twice is stopping once", async () => {
  const backend = await start();
  await backend.stop();
  await backend.stop();
  await expect(fetch(backend.restUrl)).rejects.toThrow();
});
