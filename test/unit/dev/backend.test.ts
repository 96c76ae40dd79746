import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DevBackend } from "../../../src/dev/backend.ts";
import { REST_BODY_BYTES_MAX } from "../../../src/dev/limits.ts";
import { call, logIn, PushReader, payloadOf, push, start } from "./harness.ts";

const SEND = "/api/v1/public/auth/send-email-code";
const JSON_TYPE = { "content-type": "application/json" };

describe("startDevBackend", () => {
  test("rejects with the address if the REST port is in use", async () => {
    const first = await start();
    const address = { host: "127.0.0.1", port: Number(new URL(first.restUrl).port) };
    const failure = await start({ restListen: address }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "EADDRINUSE" });
    expect(String(failure)).toEndWith(`REST API cannot listen on 127.0.0.1:${address.port}: the port is in use`);
    await first.stop();
  });

  test("rejects with the address if the push port is in use", async () => {
    const first = await start();
    const address = { host: "127.0.0.1", port: Number(new URL(first.pushUrl).port) };
    const failure = await start({ pushListen: address }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "EADDRINUSE" });
    expect(String(failure)).toEndWith(`push feed cannot listen on 127.0.0.1:${address.port}: the port is in use`);
    await first.stop();
  });

  test("closes its open listener if a later one fails", async () => {
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

  test("rejects if the database cannot be opened", async () => {
    await expect(start({ database: "/nonexistent/state.db" })).rejects.toThrow();
  });
});

describe("with a database file", () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-dev-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("sessions and cursors survive a restart", async () => {
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

  test("a file is locked against a second backend", async () => {
    const database = join(folder, "shared.db");
    const first = await start({ database });
    await expect(start({ database })).rejects.toThrow("locked");
    await first.stop();
  });

  test("a file that is not a database is refused and not changed", async () => {
    const file = join(folder, "letter.txt");
    await Bun.write(file, "Dear Ada, ".repeat(1000));
    await expect(start({ database: file })).rejects.toThrow();
    expect(await Bun.file(file).text()).toBe("Dear Ada, ".repeat(1000));
  });
});

describe("the REST API", () => {
  let backend: DevBackend;
  beforeAll(async () => {
    backend = await start();
  });
  afterAll(() => backend.stop());

  test("answers unknown paths with 404 in JSON", async () => {
    for (const path of ["/", "/api/v1/user/rooms//messages", "/dev", "/api/v1/user/profile/"]) {
      expect(await call(backend, "GET", path)).toMatchObject({ status: 404, body: { code: "not_found" } });
    }
  });

  test("answers a wrong method with 405, Allow and JSON", async () => {
    const response = await fetch(`${backend.restUrl}/api/v1/user/profile`, { method: "DELETE" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, PATCH");
    expect(await response.json()).toMatchObject({ code: "method_not_allowed" });
  });

  test.each(["", "{", "null", "1", "[]", '"text"', "\u0000", '{"email":'])(
    "answers a body that is not a JSON object with 400: %j",
    async (body) => {
      const response = await fetch(backend.restUrl + SEND, { method: "POST", headers: JSON_TYPE, body });
      expect([response.status, await response.json()]).toEqual([400, { code: "bad_request", message: expect.any(String) }]);
    },
  );

  test("answers an oversized body with 413, with and without Content-Length", async () => {
    const big = new Uint8Array(REST_BODY_BYTES_MAX + 1).fill(0x20);
    const withLength = await fetch(backend.restUrl + SEND, { method: "POST", headers: JSON_TYPE, body: big });
    expect(withLength.status).toBe(413);
    const streamed = await fetch(backend.restUrl + SEND, {
      method: "POST",
      headers: JSON_TYPE,
      body: new Blob([big]).stream(),
    });
    expect(streamed.status).toBe(413);
    expect((await call(backend, "GET", "/dev/outbox")).status).toBe(200);
  });

  test("returns Unicode, NUL and SQL text unchanged", async () => {
    const { userId } = await logIn(backend, "text@example.org");
    for (const name of ["Zoë", "名前", "a\u0000b", "'; DROP TABLE users; --", "__proto__"]) {
      const answer = await call(backend, "PATCH", "/api/v1/user/profile", { display_name: name }, { "x-user-id": userId });
      expect(answer.body.display_name).toBe(name);
      const profile = await call(backend, "GET", "/api/v1/user/profile", undefined, { "x-user-id": userId });
      expect(profile.body.display_name).toBe(name);
    }
  });
});

test("a second stop does nothing", async () => {
  const backend = await start();
  await backend.stop();
  await backend.stop();
  await expect(fetch(backend.restUrl)).rejects.toThrow();
});
