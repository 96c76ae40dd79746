import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Push, type PushEvent, PushEventSchema } from "../gen/sallyport/v1/push_pb.ts";
import type { DevLimits } from "./limits.ts";
import type { PushLog } from "./push-log.ts";

const CURSOR = /^[0-9]{1,16}$/;

/** The Push service over a push log: any number of gateways, each reading from its own cursor. */
export class PushService {
  readonly #log: PushLog;
  readonly #limits: DevLimits;
  readonly #live = new Set<AbortSignal>();

  constructor(log: PushLog, limits: DevLimits) {
    this.#log = log;
    this.#limits = limits;
  }

  readonly routes = (router: ConnectRouter): void => {
    router.service(Push, { subscribePush: (request, context) => this.#subscribe(request.cursor, context.signal) });
  };

  async *#subscribe(cursor: string, signal: AbortSignal): AsyncGenerator<PushEvent> {
    if (this.#live.size >= this.#limits.pushStreamsMax) throw new ConnectError("too many streams", Code.ResourceExhausted);
    const release = () => this.#live.delete(signal);
    // A stream that is reset while a write waits for its window is never resumed: only the signal tells.
    signal.addEventListener("abort", release, { once: true });
    this.#live.add(signal);
    try {
      yield* this.#readFrom(cursor === "" ? this.#log.head() : parseCursor(cursor), signal);
    } finally {
      release();
    }
  }

  /** The log from a place on: what is there, then what comes. Between a read that finds nothing and the wait, nothing can come. */
  async *#readFrom(start: number, signal: AbortSignal): AsyncGenerator<PushEvent> {
    let at = start;
    this.#demand(at);
    yield keepalive(at);
    while (!signal.aborted) {
      this.#demand(at);
      const batch = this.#log.readAfter(at);
      for (const entry of batch) {
        yield entry.event;
        at = entry.seq;
      }
      if (batch.length > 0) continue;
      const outcome = await this.#log.waitForAppend(this.#limits.keepaliveMs, signal);
      if (outcome === "quiet" && !signal.aborted) yield keepalive(at);
    }
  }

  /** A stream that fell behind what the log keeps ends like a cursor that is too old. */
  #demand(seq: number): void {
    if (!this.#log.reaches(seq)) throw outOfRange();
  }
}

/** Tells a gateway at once where it stands, so that it can resume from there. */
function keepalive(seq: number): PushEvent {
  return create(PushEventSchema, { cursor: String(seq) });
}

function parseCursor(cursor: string): number {
  if (!CURSOR.test(cursor)) throw outOfRange();
  return Number(cursor);
}

function outOfRange(): ConnectError {
  return new ConnectError("the push log does not hold what follows this cursor", Code.OutOfRange);
}
