import type { Refusal } from "../core/refusal.ts";
import type { EventStreams } from "../hub/event-streams.ts";
import type { EndingStreams } from "../hub/spread.ts";
import { FrameQueue } from "./frame-queue.ts";
import { type FromWorker, type ToWorker, toSentRefusal } from "./messages.ts";
import { RemoteSink, type StreamChannel } from "./remote-sink.ts";

export interface WorkerStreamsParts {
  readonly streams: EventStreams;
  readonly send: (message: ToWorker) => void;
  /** Runs `work` at the end of the current turn of the event loop. */
  readonly defer: (work: () => void) => void;
}

interface RunningPoll {
  /** Aborts when the client has disconnected. */
  readonly canceled: AbortController;
  /** Aborts when the poll must be answered without a further wait. */
  readonly released: AbortController;
}

/**
 * The supervisor's state of the streams and polls of one worker. Registers them at the hub. Sends the frames and the end of each
 * stream to the worker.
 */
export class WorkerStreams implements StreamChannel, EndingStreams {
  readonly #parts: WorkerStreamsParts;
  readonly #queue: FrameQueue;
  readonly #sinks = new Map<number, RemoteSink>();
  /** The streams that had unread bytes in the worker's last report. */
  #unread: RemoteSink[] = [];
  readonly #polls = new Map<number, RunningPoll>();
  #isClosed = false;
  #isEnding = false;

  constructor(parts: WorkerStreamsParts) {
    this.#parts = parts;
    this.#queue = new FrameQueue((batch) => parts.send({ type: "frames", batch }), parts.defer);
  }

  get count(): number {
    return this.#sinks.size;
  }

  frame(id: number, frame: Uint8Array): void {
    this.#queue.push(id, frame);
  }

  end(id: number, refusal: Refusal): void {
    this.#sinks.delete(id);
    this.send({ type: "end", id, refusal: toSentRefusal(refusal) });
  }

  /** Sends a message to the worker. Queued frames are sent before the message. */
  send(message: ToWorker): void {
    if (this.#isClosed) return;
    this.#queue.flush();
    this.#parts.send(message);
  }

  /** Handles a message about a stream or a poll. Returns `false` for any other message. */
  receive(message: FromWorker): boolean {
    switch (message.type) {
      case "register":
        void this.#register(message);
        return true;
      case "closed":
        this.#sinks.get(message.id)?.closedByWorker(message.reason);
        this.#sinks.delete(message.id);
        return true;
      case "poll":
        void this.#poll(message);
        return true;
      case "cancel":
        this.#polls.get(message.id)?.canceled.abort();
        return true;
      default:
        return false;
    }
  }

  /** Stores the number of unread bytes of each stream. A stream that is missing in `unread` has none. */
  report(unread: readonly (readonly [id: number, bytes: number])[]): void {
    for (const sink of this.#unread) sink.unreadBytes = 0;
    this.#unread = [];
    for (const [id, bytes] of unread) {
      const sink = this.#sinks.get(id);
      if (sink === undefined) continue;
      sink.unreadBytes = bytes;
      this.#unread.push(sink);
    }
  }

  beginEnd(): number {
    return this.#sinks.size + this.#polls.size;
  }

  /**
   * Ends the `count` oldest streams with SHUTTING_DOWN. If there are fewer streams, also answers the oldest waiting polls, up to
   * `count` streams and polls in all.
   */
  endStreams(count: number): void {
    const sinks = [...this.#sinks.values()].slice(0, count);
    for (const sink of sinks) sink.end(this.#parts.streams.shuttingDown());
    for (const { released } of [...this.#polls.values()].slice(0, count - sinks.length)) released.abort();
  }

  /** Ends all streams, and refuses new ones with SHUTTING_DOWN. New polls are answered without a wait. */
  endAll(): void {
    this.endStreams(this.beginEnd());
    this.#isEnding = true;
  }

  /** Ends all streams and polls. Call this when the worker has ended. */
  close(): void {
    this.#isClosed = true;
    for (const sink of this.#sinks.values()) sink.closedByWorker(undefined);
    for (const { canceled } of this.#polls.values()) canceled.abort();
    this.#sinks.clear();
    this.#polls.clear();
  }

  async #register({ id, admission, codec, isBase64, protocol }: Extract<FromWorker, { type: "register" }>): Promise<void> {
    const sink = new RemoteSink(id, { codec, isBase64, protocol }, this);
    this.#sinks.set(id, sink);
    try {
      if (this.#isEnding) throw this.#parts.streams.shuttingDown();
      await this.#parts.streams.register(admission, sink);
      this.send({ type: "opened", id });
    } catch (thrown) {
      this.#sinks.delete(id);
      this.send({ type: "refused", id, refusal: toSentRefusal(thrown) });
    }
  }

  async #poll({ id, admission, request }: Extract<FromWorker, { type: "poll" }>): Promise<void> {
    const [canceled, released] = [new AbortController(), new AbortController()];
    this.#polls.set(id, { canceled, released });
    if (this.#isEnding) released.abort();
    try {
      const { frames, waitedMs } = await this.#parts.streams.poll(admission, request, canceled.signal, released.signal);
      this.send({ type: "polled", id, frames, waitedMs });
    } catch (thrown) {
      this.send({ type: "refused", id, refusal: toSentRefusal(thrown) });
    } finally {
      this.#polls.delete(id);
    }
  }
}
