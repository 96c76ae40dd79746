import type { Database } from "bun:sqlite";
import { randomUUIDv7 } from "bun";
import type { Clock } from "../core/clock.ts";
import { DISPLAY_NAME_CHARS_MAX } from "./limits.ts";

export interface User {
  readonly id: string;
  readonly email: string;
  readonly displayName: string;
}

const COLUMNS = "id, email, display_name AS displayName";

/** The users that have logged in, and their profiles. */
export class Users {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #usersMax: number;

  constructor(database: Database, clock: Clock, usersMax: number) {
    this.#database = database;
    this.#clock = clock;
    this.#usersMax = usersMax;
  }

  /** Returns the user with this e-mail address. Creates the user if needed; returns `undefined` if `usersMax` is reached. */
  findOrCreate(email: string): User | undefined {
    return this.#findByEmail(email) ?? this.#create(email);
  }

  /** Creates a user with a made-up e-mail address. Its domain ends in `.invalid` (RFC 2606 2), so it receives no mail. */
  createGuest(): User | undefined {
    return this.#create(`guest-${randomUUIDv7("hex", this.#clock.now())}@guest.invalid`);
  }

  find(id: string): User | undefined {
    return this.#database.query<User, [string]>(`SELECT ${COLUMNS} FROM users WHERE id = ?`).get(id) ?? undefined;
  }

  rename(id: string, displayName: string): void {
    this.#database.query<null, [string, string]>("UPDATE users SET display_name = ? WHERE id = ?").run(displayName, id);
  }

  allIds(): string[] {
    const rows = this.#database.query<{ id: string }, []>("SELECT id FROM users ORDER BY seq").all();
    return rows.map((row) => row.id);
  }

  #findByEmail(email: string): User | undefined {
    return this.#database.query<User, [string]>(`SELECT ${COLUMNS} FROM users WHERE email = ?`).get(email) ?? undefined;
  }

  #create(email: string): User | undefined {
    const users = this.#database.query<{ count: number }, []>("SELECT COUNT(*) AS count FROM users").get()?.count ?? 0;
    if (users >= this.#usersMax) return undefined;
    const user = { id: randomUUIDv7("hex", this.#clock.now()), email, displayName: initialName(email) };
    this.#database
      .query<null, [string, string, string]>("INSERT INTO users (id, email, display_name) VALUES (?, ?, ?)")
      .run(user.id, user.email, user.displayName);
    return user;
  }
}

/** Returns the initial display name: the part of the e-mail address before the "@". */
function initialName(email: string): string {
  return email.slice(0, email.lastIndexOf("@")).slice(0, DISPLAY_NAME_CHARS_MAX).toWellFormed();
}
