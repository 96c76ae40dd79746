import { Database } from "bun:sqlite";

/** The version of `SCHEMA`. When a table changes, increase it and add a migration. A file with a later version is refused. */
const SCHEMA_VERSION = 2;

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
    client_public_key TEXT NOT NULL, client_key_algorithm TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('active', 'revoked'))
  );
  CREATE INDEX device_sessions_by_user ON device_sessions (user_id);
  CREATE TABLE messages (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, room_id TEXT NOT NULL, user_id TEXT NOT NULL, text TEXT NOT NULL,
    idempotency_key TEXT UNIQUE
  );
  CREATE TABLE push_log (seq INTEGER PRIMARY KEY, event BLOB NOT NULL, end_bytes INTEGER NOT NULL);
`;

/** Maps a schema version to the SQL statements that convert its tables to the next version. */
const MIGRATIONS: Readonly<Record<number, string>> = {
  1: "ALTER TABLE device_sessions ADD COLUMN client_key_algorithm TEXT NOT NULL DEFAULT 'EdDSA'",
};

/**
 * Opens a database file, or a database in memory if `file` is ":memory:". Locks the file against other processes.
 *
 * Throws SQLite's error. Also throws if the schema version of the file is later than `SCHEMA_VERSION`.
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

/** Creates the tables in an empty file. In a file with an older schema version, runs the migrations. */
function prepareSchema(database: Database, file: string): void {
  const version = database.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0;
  if (version === SCHEMA_VERSION) return;
  if (version !== 0 && MIGRATIONS[version] === undefined)
    throw new Error(
      `${file} has tables of version ${version}, but the embedded backend requires version ${SCHEMA_VERSION}; use a new file`,
    );
  database.transaction(() => {
    if (version === 0) database.run(SCHEMA);
    for (let from = version; from > 0 && from < SCHEMA_VERSION; from++) database.run(MIGRATIONS[from] ?? "");
    database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  })();
}
