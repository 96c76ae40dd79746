import { type EventIds, TOKEN_BYTES, tokenOfCursor } from "../crypto/event-ids.ts";

/** A point in the push feed. A client at this position has received all its events up to here. */
export interface Position {
  /** Increases with each message of the push feed. Each process counts separately. */
  readonly order: number;
  /**
   * Identifies this position in event ids. If the message at this position has a cursor that no earlier message has, the token
   * is a hash of the cursor. Otherwise, the token is random.
   */
  readonly token: Uint8Array;
  /** Whether `token` comes from a cursor. If so, every gateway of the same backend knows this token. */
  readonly isShared: boolean;
}

export interface StreamPositionsOptions {
  readonly ids: EventIds;
  readonly fillRandom: (bytes: Uint8Array) => void;
}

/**
 * `parse` finds at least this many of the newest positions. Clients cannot resume from a position that `parse` does not find.
 * A position takes about 150 bytes of memory.
 */
const POSITIONS_MIN = 131_072;

/**
 * The positions of the push feed, in order. All gateways of a backend see the same cursors in the same order. So a client can
 * resume at another gateway, and after a restart of its gateway.
 */
export class StreamPositions {
  readonly #ids: EventIds;
  readonly #fillRandom: (bytes: Uint8Array) => void;
  #latest: Position;
  /**
   * The newest positions by token. When this map is full, it becomes `#older`, and the previous `#older` is dropped. Deleting
   * single keys instead would be slow in JavaScriptCore.
   */
  #newer = new Map<string, Position>();
  #older: ReadonlyMap<string, Position> = new Map();

  constructor({ ids, fillRandom }: StreamPositionsOptions) {
    this.#ids = ids;
    this.#fillRandom = fillRandom;
    this.#latest = this.#add(0, undefined);
  }

  /** The position of the latest message. */
  get latest(): Position {
    return this.#latest;
  }

  /**
   * Creates the position of a new message, and makes it the latest position. `cursor` is the message's cursor, if it has one.
   * If an earlier message had the same cursor, the cursor is ignored, because it does not identify the new message.
   */
  next(cursor?: string): Position {
    const token = cursor === undefined ? undefined : tokenOfCursor(cursor);
    const isNew = token !== undefined && this.#find(token) === undefined;
    this.#latest = this.#add(this.#latest.order + 1, isNew ? token : undefined);
    return this.#latest;
  }

  /**
   * If the cursor is new, creates a position for it and makes this position the latest. Used for messages that clients do not
   * get, such as keepalives.
   */
  reach(cursor: string): void {
    if (this.#find(tokenOfCursor(cursor)) === undefined) this.next(cursor);
  }

  /** Returns a unique id for an event of the gateway itself. A client that received the event can resume from `position`. */
  eventIdAt(position: Position): string {
    return this.#ids.create(position.token);
  }

  /**
   * Creates an event id for a backend event that was sent without an id. Every gateway creates the same id for the event.
   * Returns `undefined` if `position` has no cursor.
   */
  eventIdOf(position: Position): string | undefined {
    return position.isShared ? this.#ids.idOfEvent(position.token) : undefined;
  }

  /**
   * Returns the position in an event id that `eventIdAt` or `eventIdOf` created. The id can come from any gateway with the same
   * signing keys. Returns `undefined` if this gateway does not know the position.
   */
  parse(eventId: string): Position | undefined {
    for (const token of this.#ids.tokensIn(eventId)) {
      const position = this.#find(token);
      if (position !== undefined) return position;
    }
    return undefined;
  }

  #find(token: Uint8Array): Position | undefined {
    const key = keyOf(token);
    return this.#newer.get(key) ?? this.#older.get(key);
  }

  #add(order: number, shared: Uint8Array | undefined): Position {
    const position = { order, token: shared ?? this.#randomToken(), isShared: shared !== undefined };
    if (this.#newer.size >= POSITIONS_MIN) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(keyOf(position.token), position);
    return position;
  }

  #randomToken(): Uint8Array {
    const token = new Uint8Array(TOKEN_BYTES);
    this.#fillRandom(token);
    return token;
  }
}

function keyOf(token: Uint8Array): string {
  return Buffer.from(token.buffer, token.byteOffset, token.byteLength).toString("latin1");
}
