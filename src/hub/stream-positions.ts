import type { Clock } from "../core/clock.ts";

const MICROS_PER_MS = 1000;
const RADIX = 36;
const ID = /^([^.]+)\.([0-9a-z]{1,11})\.[0-9a-z]{1,11}$/;

/**
 * Creates stream positions: increasing numbers for all events that the hub sends.
 * - A position is the wall clock in microseconds. If the clock has not advanced, it is the last position + 1.
 * - Positions follow the clock, so a client cannot compute from them how many events other clients get.
 *
 * The id of an event that the gateway itself creates, such as a heartbeat, contains a position. A client with this event has received all
 * events up to this position. So a client that received only heartbeats can resume after the last heartbeat.
 *
 * Such an id has the format `<epoch>.<position>.<unique position>`. Both positions are in base 36.
 */
export class StreamPositions {
  readonly #clock: Clock;
  /** Identifies this process, so that `parse` rejects ids that another process created. Contains no dot. */
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

  /**
   * Returns a unique id for an event that the gateway itself creates. A client with this event has received all events up to `position`.
   */
  eventIdAt(position: number): string {
    return `${this.#epoch}.${position.toString(RADIX)}.${this.next().toString(RADIX)}`;
  }

  /** Returns the position in an event id; `undefined` if this process did not create the id. */
  parse(eventId: string): number | undefined {
    const [, epoch, digits = ""] = ID.exec(eventId) ?? [];
    if (epoch !== this.#epoch) return undefined;
    const position = Number.parseInt(digits, RADIX);
    return position <= this.#last ? position : undefined;
  }
}
