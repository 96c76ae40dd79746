import type { Clock } from "../core/clock.ts";
import type { Refusal } from "../core/refusal.ts";
import type { Admission } from "./admission.ts";
import { EventCollector } from "./event-collector.ts";
import type { EventStreams, PollAnswer, PollRequest } from "./event-streams.ts";
import type { Hub } from "./hub.ts";
import type { Sink } from "./sink.ts";

export interface LocalStreamsParts {
  readonly hub: Pick<Hub, "register" | "poll" | "answer" | "shuttingDown">;
  /**
   * Resolves when the replay buffers are filled after a start. From then on, a client can resume a stream that was open before
   * the restart.
   */
  readonly historyFilled: (admission: Admission) => Promise<void>;
  readonly clock: Pick<Clock, "monotonic">;
  /** Runs `work` in a later turn of the event loop. */
  readonly defer: (work: () => void) => void;
}

/** Opens streams and answers polls with the hub of this process. */
export class LocalStreams implements EventStreams {
  readonly #parts: LocalStreamsParts;

  constructor(parts: LocalStreamsParts) {
    this.#parts = parts;
  }

  async register(admission: Admission, sink: Sink): Promise<void> {
    await this.#parts.historyFilled(admission);
    this.#parts.hub.register(admission, sink);
  }

  async poll(admission: Admission, request: PollRequest, signal: AbortSignal, released?: AbortSignal): Promise<PollAnswer> {
    const { hub, clock, historyFilled } = this.#parts;
    const startedMs = clock.monotonic();
    await historyFilled(admission);
    // The poll lasts `request.waitMs` in total, including the wait for the replay buffers. Otherwise, the client could time out
    // before the answer arrives.
    const leftMs = request.waitMs - (clock.monotonic() - startedMs);
    const collector = new EventCollector(request);
    const poll = hub.poll(admission, collector);
    if (released?.aborted) collector.release();
    else released?.addEventListener("abort", () => collector.release());
    try {
      if (!collector.isReady) await this.#wait(collector, leftMs, signal);
      return { frames: signal.aborted ? [] : hub.answer(poll), waitedMs: clock.monotonic() - startedMs };
    } finally {
      collector.cancel();
    }
  }

  shuttingDown(): Refusal {
    return this.#parts.hub.shuttingDown();
  }

  async #wait(collector: EventCollector, waitMs: number, signal: AbortSignal): Promise<void> {
    await readyOrLate(collector, waitMs, signal);
    // Events that arrive in one read of the push feed are delivered in several microtasks. The poll waits one turn of the event
    // loop, so that it collects all these events.
    if (collector.isReady) await new Promise<void>((resolve) => this.#parts.defer(resolve));
  }
}

/** Resolves when the collector is ready or the signal aborts, at the latest after `waitMs`. */
function readyOrLate(collector: EventCollector, waitMs: number, signal: AbortSignal): Promise<void> {
  if (waitMs <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    signal.addEventListener("abort", done);
    collector.onReady(done);
  });
}
