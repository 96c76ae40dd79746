import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { call, KEY, sendCode, start } from "./harness.ts";

/** Database files of older versions. The tables are those that the first version created. */

const VERSION_1 = `
  CREATE TABLE users (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, email TEXT NOT NULL UNIQUE, display_name TEXT NOT NULL
  );
  CREATE TABLE challenges (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, email TEXT NOT NULL, code TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, used INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE device_sessions (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users (id),
    client_public_key TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('active', 'revoked'))
  );
  CREATE INDEX device_sessions_by_user ON device_sessions (user_id);
  CREATE TABLE messages (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, room_id TEXT NOT NULL, user_id TEXT NOT NULL, text TEXT NOT NULL,
    idempotency_key TEXT UNIQUE
  );
  CREATE TABLE push_log (seq INTEGER PRIMARY KEY, event BLOB NOT NULL, end_bytes INTEGER NOT NULL);
  INSERT INTO users (id, email, display_name) VALUES ('u-1', 'ada@example.org', 'Ada');
  INSERT INTO device_sessions (id, user_id, client_public_key, status) VALUES ('s-1', 'u-1', '${KEY}', 'active');
  PRAGMA user_version = 1;
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-dev-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(name: string, sql: string): string {
  const file = join(folder, name);
  const database = new Database(file, { create: true });
  database.run(sql);
  database.close();
  return file;
}

const SESSIONS = "/api/v1/internal/sessions";
const CONFIRM = "/api/v1/public/auth/confirm-email-code";
/** 65 bytes. */
const POINT = Buffer.alloc(65, 4).toString("base64");
const path = `${SESSIONS}/s-1`;
const session = { device_session_id: "s-1", user_id: "u-1", client_public_key: KEY, client_key_algorithm: "EdDSA" };

test("a file of version 1 keeps its sessions as EdDSA, takes ES256 sessions, and opens again", async () => {
  const database = fileWith("old.db", VERSION_1);
  const first = await start({ database });
  expect((await call(first, "GET", path)).body).toMatchObject(session);
  const { challengeId, code } = await sendCode(first, "ada@example.org");
  const key = { client_public_key: POINT, client_key_algorithm: "ES256" };
  const login = await call(first, "POST", CONFIRM, { challenge_id: challengeId, code, ...key });
  const newPath = `${SESSIONS}/${login.body.device_session_id}`;
  await first.stop();
  const second = await start({ database });
  expect((await call(second, "GET", path)).body).toMatchObject(session);
  expect((await call(second, "GET", newPath)).body).toMatchObject({ user_id: "u-1", ...key });
  await second.stop();
});

test("a file of a later version is refused and stays unchanged", async () => {
  for (const version of [1000, -1]) {
    const database = fileWith(`version${version}.db`, `PRAGMA user_version = ${version}`);
    await expect(start({ database })).rejects.toThrow(`tables of version ${version}`);
    const left = new Database(database).query<{ user_version: number }, []>("PRAGMA user_version").get();
    expect(left).toEqual({ user_version: version });
  }
});
