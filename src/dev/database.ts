import { Database } from "bun:sqlite";

/** The version of `SCHEMA`. Increase it when a table changes. A file with another version is refused: there is no migration. */
const SCHEMA_VERSION = 1;

const SCHEMA = `
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
`;

/**
 * Opens a database file, or a database in memory if `file` is ":memory:". Locks the file against other processes.
 *
 * Throws SQLite's error, or an error if the file has another schema version.
 */
export function openDatabase(file: string): Database {
  const database = new Database(file, { create: true, strict: true });
  try {
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = NORMAL");
    prepareSchema(database, file);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function prepareSchema(database: Database, file: string): void {
  const version = database.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version;
  if (version === SCHEMA_VERSION) return;
  if (version !== 0)
    throw new Error(
      `${file} has tables of version ${version}, but the embedded backend requires version ${SCHEMA_VERSION}; use a new file`,
    );
  database.transaction(() => {
    database.run(SCHEMA);
    database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  })();
}
