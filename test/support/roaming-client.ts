import type { Transport } from "@connectrpc/connect";
import type { GatewayEvent } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { EventSubscriber } from "./event-subscriber.ts";
import { until } from "./until.ts";
import type { Device } from "./world.ts";

const STREAM_MS_MAX = 30_000;
/** Upper bounds of the pauses between streams, in turn. The last one is longer than an outage of the backend. */
const PAUSE_MS_MAX = [10, 10, 400] as const;

/** A client that repeatedly disconnects and resumes after its last event, until `stopRoaming`. */
export class RoamingClient {
  /** The events of each of its streams. */
  readonly streams: (readonly GatewayEvent[])[] = [];
  /** The reasons with which the gateway refused or ended its streams. */
  readonly endReasons = new Set<string>();
  readonly #transport: Transport;
  readonly #device: Device;
  #stopsRoaming = false;
  readonly #lastStream: Promise<EventSubscriber>;

  constructor(transport: Transport, device: Device) {
    this.#transport = transport;
    this.#device = device;
    this.#lastStream = this.#roam();
  }

  /** The events of all its streams, in order. */
  get events(): readonly GatewayEvent[] {
    return this.streams.flat();
  }

  /** Resolves with the stream that stays open. */
  stopRoaming(): Promise<EventSubscriber> {
    this.#stopsRoaming = true;
    return this.#lastStream;
  }

  async #roam(): Promise<EventSubscriber> {
    for (;;) {
      const lastId = this.streams.at(-1)?.at(-1)?.envelope?.eventId;
      const payload = lastId === undefined ? "" : JSON.stringify({ resume_after: lastId });
      const stream = await EventSubscriber.open(this.#transport, this.#device, payload);
      if (stream.events.length > 0) this.streams.push(stream.events);
      const isDone = () => this.#stopsRoaming || stream.events.length > 2 || stream.ended !== undefined;
      await until(isDone, "more events", STREAM_MS_MAX);
      if (stream.ended !== undefined) this.endReasons.add(stream.ended);
      else if (this.#stopsRoaming) return stream;
      stream.leave();
      await until(() => stream.ended !== undefined, "the stream to end");
      await Bun.sleep(Math.random() * (PAUSE_MS_MAX[this.streams.length % PAUSE_MS_MAX.length] ?? 0));
    }
  }
}
