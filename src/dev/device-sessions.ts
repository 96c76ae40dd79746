import type { Database } from "bun:sqlite";
import { randomUUIDv7 } from "bun";
import type { Clock } from "../core/clock.ts";
import type { DeviceKeyAlgorithm } from "../core/keys.ts";

/** The session record that the gateway reads: proto/backend.md, "Backend REST". */
export interface SessionRecord {
  readonly device_session_id: string;
  readonly user_id: string;
  /** The public key of the device, in canonical base64. */
  readonly client_public_key: string;
  readonly client_key_algorithm: DeviceKeyAlgorithm;
  readonly status: "active" | "revoked";
}

/** The public key of a device and its algorithm, as a login registers them. */
export type ClientKey = Pick<SessionRecord, "client_public_key" | "client_key_algorithm">;

const COLUMNS = "id AS device_session_id, user_id, client_public_key, client_key_algorithm, status";

/** All device sessions, both active and revoked. */
export class DeviceSessions {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #sessionsMax: number;

  constructor(database: Database, clock: Clock, sessionsMax: number) {
    this.#database = database;
    this.#clock = clock;
    this.#sessionsMax = sessionsMax;
  }

  /** Returns the new session's id, or `undefined` if `sessionsMax` is reached. */
  create(userId: string, key: ClientKey): string | undefined {
    const sessions = this.#database.query<{ count: number }, []>("SELECT COUNT(*) AS count FROM device_sessions").get();
    if ((sessions?.count ?? 0) >= this.#sessionsMax) return undefined;
    const id = randomUUIDv7("hex", this.#clock.now());
    this.#database
      .query<null, [string, string, string, string]>(
        "INSERT INTO device_sessions (id, user_id, client_public_key, client_key_algorithm, status) VALUES (?, ?, ?, ?, 'active')",
      )
      .run(id, userId, key.client_public_key, key.client_key_algorithm);
    return id;
  }

  find(id: string): SessionRecord | undefined {
    const query = `SELECT ${COLUMNS} FROM device_sessions WHERE id = ?`;
    return this.#database.query<SessionRecord, [string]>(query).get(id) ?? undefined;
  }

  revoke(id: string): void {
    this.#database.query<null, [string]>("UPDATE device_sessions SET status = 'revoked' WHERE id = ?").run(id);
  }

  revokeAllOf(userId: string): void {
    this.#database.query<null, [string]>("UPDATE device_sessions SET status = 'revoked' WHERE user_id = ?").run(userId);
  }
}
