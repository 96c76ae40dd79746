import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Push, type PushEvent, PushEventSchema } from "../gen/sallyport/v1/push_pb.ts";
import type { DevLimits } from "./limits.ts";
import type { PushLog } from "./push-log.ts";

const CURSOR = /^[0-9]{1,16}$/;

/** The `sallyport.v1.Push` service. Each gateway reads the push log from its own cursor. */
export class PushService {
  readonly #log: PushLog;
  readonly #limits: DevLimits;
  readonly #streams = new Set<AbortSignal>();

  constructor(log: PushLog, limits: DevLimits) {
    this.#log = log;
    this.#limits = limits;
  }

  readonly routes = (router: ConnectRouter): void => {
    router.service(Push, { subscribePush: (request, context) => this.#subscribe(request.cursor, context.signal) });
  };

  async *#subscribe(cursor: string, signal: AbortSignal): AsyncGenerator<PushEvent> {
    if (this.#streams.size >= this.#limits.pushStreamsMax) throw new ConnectError("too many streams", Code.ResourceExhausted);
    const release = () => this.#streams.delete(signal);
    // If the stream is reset during a blocked write, connect-node never resumes this generator. So its `finally` does not run.
    signal.addEventListener("abort", release, { once: true });
    this.#streams.add(signal);
    try {
      yield* this.#eventsAfter(cursor === "" ? this.#log.newestSeq() : parseCursor(cursor), signal);
    } finally {
      release();
    }
  }

  /**
   * Yields the logged events after the number `start`, then new events. When a read returns no event, the wait for the next
   * append starts synchronously. So no append is missed.
   */
  async *#eventsAfter(start: number, signal: AbortSignal): AsyncGenerator<PushEvent> {
    let seq = start;
    this.#requireHeld(seq);
    yield keepalive(seq);
    while (!signal.aborted) {
      this.#requireHeld(seq);
      const batch = this.#log.readAfter(seq);
      for (const entry of batch) {
        yield entry.event;
        seq = entry.seq;
      }
      if (batch.length > 0) continue;
      const outcome = await this.#log.waitForAppend(this.#limits.keepaliveMs, signal);
      if (outcome === "timeout" && !signal.aborted) yield keepalive(seq);
    }
  }

  /** Throws OUT_OF_RANGE if the log does not have every event after the number `seq`. */
  #requireHeld(seq: number): void {
    if (!this.#log.holdsAfter(seq)) throw outOfRange();
  }
}

/**
 * Creates a message that contains only a cursor. Every stream starts with it, so a gateway can resume even before its first
 * event.
 */
function keepalive(seq: number): PushEvent {
  return create(PushEventSchema, { cursor: String(seq) });
}

function parseCursor(cursor: string): number {
  if (!CURSOR.test(cursor)) throw outOfRange();
  return Number(cursor);
}

function outOfRange(): ConnectError {
  return new ConnectError("the push log does not have every event after this cursor", Code.OutOfRange);
}
