import type { Clock } from "../core/clock.ts";

const MICROS_PER_MS = 1000;
const RADIX = 36;
const ID = /^([^.]+)\.([0-9a-z]{1,11})\.[0-9a-z]{1,11}$/;

/**
 * Creates stream positions: increasing numbers that order all events of the hub.
 *
 * - A position is the wall clock in microseconds, or the last position + 1 if the clock has not advanced.
 * - A client sees positions in event ids. It cannot count the events of other clients with them, because positions follow the
 *   clock.
 *
 * The hub's own events, such as heartbeats, have ids of the format `<epoch>.<position>.<unique>`:
 *
 * - A client that received the event has received all events up to `<position>`, and can resume from there.
 * - `<unique>` is a new position that makes the id unique. Both numbers are in base 36.
 */
export class StreamPositions {
  readonly #clock: Clock;
  /** Identifies this process, so that `parse` rejects the ids of other processes. Contains no dot. */
  readonly #epoch: string;
  #last = 0;

  constructor(clock: Clock, epoch: string) {
    this.#clock = clock;
    this.#epoch = epoch;
  }

  /** Returns a position that is greater than all earlier positions. */
  next(): number {
    this.#last = Math.max(this.#last + 1, this.#clock.now() * MICROS_PER_MS);
    return this.#last;
  }

  /** Returns a unique id for an event of the hub itself. A client with this event has received all events up to `position`. */
  eventIdAt(position: number): string {
    return `${this.#epoch}.${position.toString(RADIX)}.${this.next().toString(RADIX)}`;
  }

  /** Returns the position in an id of `eventIdAt`; `undefined` if this process did not create the id. */
  parse(eventId: string): number | undefined {
    const [, epoch, digits = ""] = ID.exec(eventId) ?? [];
    if (epoch !== this.#epoch) return undefined;
    const position = Number.parseInt(digits, RADIX);
    return position <= this.#last ? position : undefined;
  }
}
