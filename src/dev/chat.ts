import type { Database } from "bun:sqlite";
import { randomUUIDv7 } from "bun";
import type { Clock } from "../core/clock.ts";
import type { DevLimits } from "./limits.ts";
import type { PushLog } from "./push-log.ts";
import { pushedEvent } from "./pushed-event.ts";
import type { Users } from "./users.ts";

export interface MessageDraft {
  readonly roomId: string;
  readonly userId: string;
  readonly text: string;
  /** Identifies one command of one device session; `undefined` if the call has no `Idempotency-Key`. */
  readonly idempotencyKey: string | undefined;
}

interface MessageRow {
  readonly id: string;
  readonly roomId: string;
  readonly userId: string;
  readonly text: string;
}

/** The id of the message. `undefined` if a different message was already sent with the same idempotency key. */
export type SendResult = { readonly messageId: string } | undefined;

/** Chat rooms. Every user is in every room. */
export class Chat {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #limits: DevLimits;
  readonly #users: Users;
  readonly #pushLog: PushLog;

  constructor(database: Database, clock: Clock, limits: DevLimits, users: Users, pushLog: PushLog) {
    this.#database = database;
    this.#clock = clock;
    this.#limits = limits;
    this.#users = users;
    this.#pushLog = pushLog;
  }

  /**
   * Stores the message and its push events in one transaction.
   *
   * If the same message is already stored with the same idempotency key, stores nothing and returns the id of the stored
   * message.
   */
  send(draft: MessageDraft): SendResult {
    const earlier = this.#findByKey(draft.idempotencyKey);
    if (earlier !== undefined) return isSame(draft, earlier) ? { messageId: earlier.id } : undefined;
    const messageId = randomUUIDv7("hex", this.#clock.now());
    this.#database.transaction(() => {
      this.#store(messageId, draft);
      this.#pushLog.append(this.#eventsOf(messageId, draft));
    })();
    return { messageId };
  }

  #eventsOf(messageId: string, draft: MessageDraft) {
    const payload = { message_id: messageId, room_id: draft.roomId, from: draft.userId, text: draft.text };
    const now = this.#clock.now();
    return this.#users.allIds().map((userId) => pushedEvent({ userId, eventType: "chat.message", payload }, now).kind);
  }

  #store(messageId: string, draft: MessageDraft): void {
    const { lastInsertRowid } = this.#database
      .query<null, [string, string, string, string, string | null]>(
        "INSERT INTO messages (id, room_id, user_id, text, idempotency_key) VALUES (?, ?, ?, ?, ?)",
      )
      .run(messageId, draft.roomId, draft.userId, draft.text, draft.idempotencyKey ?? null);
    this.#database
      .query<null, [number]>("DELETE FROM messages WHERE seq <= ?")
      .run(Number(lastInsertRowid) - this.#limits.messagesMax);
  }

  #findByKey(key: string | undefined): MessageRow | undefined {
    if (key === undefined) return undefined;
    const query = "SELECT id, room_id AS roomId, user_id AS userId, text FROM messages WHERE idempotency_key = ?";
    return this.#database.query<MessageRow, [string]>(query).get(key) ?? undefined;
  }
}

function isSame(draft: MessageDraft, message: MessageRow): boolean {
  return draft.roomId === message.roomId && draft.userId === message.userId && draft.text === message.text;
}
