import type { Clock } from "../core/clock.ts";

const MICROS_PER_MS = 1000;
const RADIX = 36;
const ID = /^([^.]+)\.([0-9a-z]{1,11})\.[0-9a-z]{1,11}$/;

/**
 * Numbers everything that the hub sends, in increasing order. A position is the wall clock in microseconds, or the last position + 1 if the
 * clock has not advanced. Because positions follow the clock, clients cannot infer how many events are sent to others.
 *
 * The id of an event of the gateway's own, such as a heartbeat, contains a position: its receiver has everything up to that position.
 * A client that received only heartbeats can therefore resume after the last one.
 *
 * Event id: `<epoch>.<position>.<unique position>`, both numbers in base 36.
 */
export class StreamPositions {
  readonly #clock: Clock;
  /** Identifies this process, so that ids of another process are rejected. Contains no dot. */
  readonly #epoch: string;
  #last = 0;

  constructor(clock: Clock, epoch: string) {
    this.#clock = clock;
    this.#epoch = epoch;
  }

  /** A position greater than all earlier ones. */
  next(): number {
    this.#last = Math.max(this.#last + 1, this.#clock.now() * MICROS_PER_MS);
    return this.#last;
  }

  /** A unique id for an event of the gateway's own. Its receiver has everything up to `position`. */
  eventIdAt(position: number): string {
    return `${this.#epoch}.${position.toString(RADIX)}.${this.next().toString(RADIX)}`;
  }

  /** The position in an event id; `undefined` if this process did not create the id. */
  parse(eventId: string): number | undefined {
    const [, epoch, digits = ""] = ID.exec(eventId) ?? [];
    if (epoch !== this.#epoch) return undefined;
    const position = Number.parseInt(digits, RADIX);
    return position <= this.#last ? position : undefined;
  }
}
