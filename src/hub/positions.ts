import type { Clock } from "../core/clock.ts";

const MICROS_PER_MS = 1000;
const RADIX = 36;
const ID = /^([^.]+)\.([0-9a-z]{1,11})\.[0-9a-z]{1,11}$/;

/**
 * The order of everything that the hub sends, as one number that only grows. It follows the clock in microseconds, so that it shows
 * nothing of how much is sent to others.
 *
 * The id of each of the gateway's own events carries a position: whoever has that event has everything up to there. So a client
 * that was quiet for long resumes after a heartbeat as after any other event.
 */
export class Positions {
  readonly #clock: Clock;
  /** Tells this process's positions from those of another. Without a dot. */
  readonly #epoch: string;
  #last = 0;

  constructor(clock: Clock, epoch: string) {
    this.#clock = clock;
    this.#epoch = epoch;
  }

  /** After everything so far. */
  next(): number {
    this.#last = Math.max(this.#last + 1, this.#clock.now() * MICROS_PER_MS);
    return this.#last;
  }

  /** A fresh id for an event of the gateway's own, whose receiver has everything up to `position`. */
  eventIdAt(position: number): string {
    return `${this.#epoch}.${position.toString(RADIX)}.${this.next().toString(RADIX)}`;
  }

  /** The position that an event id carries; `undefined` where it is not of this process's making. */
  parse(eventId: string): number | undefined {
    const [, epoch, digits = ""] = ID.exec(eventId) ?? [];
    if (epoch !== this.#epoch) return undefined;
    const position = Number.parseInt(digits, RADIX);
    return position <= this.#last ? position : undefined;
  }
}
