import type { Clock } from "../../core/clock.ts";
import type { ClientEvent } from "../../core/events.ts";
import type { FeedCheckpoint } from "../../core/feed-checkpoint.ts";
import { EventIdReused, type PublishedEvent, type Publisher, PublishUnavailable } from "../../core/publisher.ts";
import type { PushSource } from "../../core/push-source.ts";
import type { Revocation } from "../../core/sessions.ts";
import type { PushDelivery } from "../feed/push-delivery.ts";
import type { PushState } from "../feed/push-state.ts";
import type { EventLog, LoggedEvent } from "./event-log.ts";
import { RecentEventIds } from "./recent-event-ids.ts";

export interface HttpSourceParts {
  readonly delivery: PushDelivery;
  readonly state: PushState;
  /** Identifies this run of the gateway. New cursors start with it, so two runs never create the same cursor. */
  readonly runId: string;
  /** `undefined`: events are kept in memory only. */
  readonly log: EventLog | undefined;
  /** Called once at the start, before the events of the log are delivered. The checkpoint is `undefined` if the log is empty. */
  readonly beginFill: (checkpoint: FeedCheckpoint | undefined) => void;
  readonly clock: Pick<Clock, "monotonic">;
}

/** Maximum size of the events that wait for the log, in bytes. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Estimated memory of an event without its payload, in bytes. */
const EVENT_OVERHEAD_BYTES = 512;

interface Waiting {
  readonly events: readonly ClientEvent[];
  readonly bytes: number;
  readonly done: PromiseWithResolvers<readonly PublishedEvent[]>;
}

/** A call of `publish` whose event ids were compared with the recent event ids. */
interface Checked {
  readonly call: Waiting;
  readonly results: readonly PublishedEvent[] | EventIdReused;
  /** The events that are not duplicates. */
  readonly added: readonly LoggedEvent[];
}

/**
 * The push source that gets its events from the private listener. If there is a log, each event is written to it and then
 * delivered. The events of all calls that arrive during a write are written together. `publish` resolves after its events are
 * delivered.
 *
 * A revocation is applied at once and is not written to the log. The log is not needed, because the backend stores each
 * revocation before it publishes the revocation. So every later session look-up finds the session revoked.
 */
export class HttpSource implements PushSource, Publisher {
  readonly #parts: HttpSourceParts;
  readonly #ids: RecentEventIds;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #isWriting = false;
  #writing: Promise<void> | undefined;
  #count = 0;

  constructor(parts: HttpSourceParts) {
    this.#parts = parts;
    this.#ids = new RecentEventIds(parts.clock);
  }

  start(): void {
    const { state, log, delivery, beginFill, runId } = this.#parts;
    if (state.hasBeenUp) return;
    const { before, older, events } = log?.takeLoaded() ?? { before: undefined, older: [], events: [] };
    for (const event of older) this.#remember(event);
    const last = events.at(-1)?.cursor ?? before;
    beginFill(last === undefined ? undefined : { from: before ?? `${runId}.0`, last, reached: last });
    for (const { event, cursor } of events) {
      this.#remember(event);
      delivery.dispatch({ kind: "client_event", event }, cursor);
    }
    state.set(true, false);
  }

  async stop(): Promise<void> {
    const { state, log, delivery } = this.#parts;
    state.set(false, true);
    await this.#writing;
    delivery.stop();
    await log?.close();
  }

  hasBeenUp(): boolean {
    return this.#parts.state.hasBeenUp;
  }

  publish(events: readonly ClientEvent[]): Promise<readonly PublishedEvent[]> {
    if (!this.#parts.state.isUp) return Promise.reject(new PublishUnavailable("the push feed is down"));
    const bytes = events.reduce((sum, { payloadBytes }) => sum + payloadBytes.byteLength + EVENT_OVERHEAD_BYTES, 0);
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX)
      return Promise.reject(new PublishUnavailable("too many events wait for the log"));
    const done = Promise.withResolvers<readonly PublishedEvent[]>();
    this.#waiting.push({ events, bytes, done });
    this.#waitingBytes += bytes;
    if (!this.#isWriting) this.#writing = this.#writeAll();
    return done.promise;
  }

  async revoke(revocations: readonly Revocation[]): Promise<void> {
    const { state, delivery } = this.#parts;
    if (!state.isUp) throw new PublishUnavailable("the push feed is down");
    for (const revocation of revocations) delivery.dispatch({ kind: "session_invalidation", revocation }, undefined);
  }

  async #writeAll(): Promise<void> {
    const { log } = this.#parts;
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const calls = this.#waiting.splice(0);
      const checked = calls.map((call) => this.#check(call));
      const added = checked.flatMap((each) => each.added);
      try {
        if (added.length > 0) await log?.append(added);
        this.#deliver(checked, added);
      } catch (error) {
        for (const { event } of added) this.#ids.remove(event);
        const unavailable = new PublishUnavailable("the event log cannot be written", { cause: error });
        // A call with a reused id gets this error too, because the id may belong to an event of the failed write.
        for (const { call } of checked) call.done.reject(unavailable);
      }
      for (const { bytes } of calls) this.#waitingBytes -= bytes;
    }
    this.#isWriting = false;
  }

  /** Delivers the events in `added`, and resolves or rejects the calls in `checked`. */
  #deliver(checked: readonly Checked[], added: readonly LoggedEvent[]): void {
    for (const { event, cursor } of added) {
      this.#ids.confirm(event);
      this.#parts.delivery.dispatch({ kind: "client_event", event }, cursor);
    }
    for (const { call, results } of checked) {
      if (results instanceof EventIdReused) call.done.reject(results);
      else call.done.resolve(results);
    }
  }

  /** Remembers the id of an event that an earlier run has published. */
  #remember(event: ClientEvent): void {
    this.#ids.add(event);
    this.#ids.confirm(event);
  }

  /** Compares the event ids of a call with the recent event ids. If one id is reused, no event of the call is added. */
  #check(call: Waiting): Checked {
    const added: LoggedEvent[] = [];
    const results: PublishedEvent[] = [];
    for (const [index, event] of call.events.entries()) {
      const state = this.#ids.stateOf(event);
      if (state === "reused") {
        for (const each of added) this.#ids.remove(each.event);
        return { call, results: new EventIdReused(index), added: [] };
      }
      results.push({ isDuplicate: state === "duplicate" });
      if (state === "duplicate") continue;
      this.#ids.add(event);
      added.push({ event, cursor: `${this.#parts.runId}.${++this.#count}` });
    }
    return { call, results, added };
  }
}
