import type { Transport } from "@connectrpc/connect";
import type { GatewayEvent } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { Listener } from "./listener.ts";
import { until } from "./until.ts";
import type { Device } from "./world.ts";

const STAYS_MS_MAX = 30_000;
/** Mostly short, and at times for longer than an outage. */
const AWAY_MS_MAX = [10, 10, 400] as const;

/** A client that leaves again and again, and comes back where it was, until it is told to stay. */
export class Wanderer {
  /** What each of its streams told it. */
  readonly streams: (readonly GatewayEvent[])[] = [];
  /** Why it was refused, or sent away; it comes again then. */
  readonly endings = new Set<string>();
  readonly #transport: Transport;
  readonly #device: Device;
  #stays = false;
  readonly #wandering: Promise<Listener>;

  constructor(transport: Transport, device: Device) {
    this.#transport = transport;
    this.#device = device;
    this.#wandering = this.#wander();
  }

  get events(): readonly GatewayEvent[] {
    return this.streams.flat();
  }

  /** Resolves with the stream that it stays on. */
  stay(): Promise<Listener> {
    this.#stays = true;
    return this.#wandering;
  }

  async #wander(): Promise<Listener> {
    for (;;) {
      const lastId = this.events.at(-1)?.envelope?.eventId;
      const payload = lastId === undefined ? "" : JSON.stringify({ resume_after: lastId });
      const stream = await Listener.open(this.#transport, this.#device, payload);
      if (stream.events.length > 0) this.streams.push(stream.events);
      await until(() => this.#stays || stream.events.length > 2 || stream.ended !== undefined, "events", STAYS_MS_MAX);
      if (stream.ended !== undefined) this.endings.add(stream.ended);
      else if (this.#stays) return stream;
      stream.leave();
      await until(() => stream.ended !== undefined, "the client to be gone");
      await Bun.sleep(Math.random() * (AWAY_MS_MAX[this.streams.length % AWAY_MS_MAX.length] ?? 0));
    }
  }
}
