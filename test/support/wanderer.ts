import type { Transport } from "@connectrpc/connect";
import type { GatewayEvent } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { Listener } from "./listener.ts";
import { lastNumber } from "./story.ts";
import { until } from "./until.ts";
import type { Device } from "./world.ts";

const STAYS_MS_MAX = 20_000;
const AWAY_MS_MAX = 20;

/** A client that leaves again and again, and comes back where it was. */
export class Wanderer {
  /** What each of its streams told it. */
  readonly streams: (readonly GatewayEvent[])[] = [];
  hasArrived = false;
  /** Why it was refused, or sent away; it comes again then. */
  readonly endings = new Set<string>();
  readonly #transport: Transport;
  readonly #device: Device;

  constructor(transport: Transport, device: Device) {
    this.#transport = transport;
    this.#device = device;
  }

  get events(): readonly GatewayEvent[] {
    return this.streams.flat();
  }

  /** Stays for two events each time, and in the end, which `last` tells of, until it has been told the last. */
  async wander(last: () => number | undefined): Promise<void> {
    const hasAll = (events: readonly GatewayEvent[]) => last() !== undefined && lastNumber(events) === last();
    while (!hasAll(this.events)) {
      const lastId = this.events.at(-1)?.envelope?.eventId;
      const payload = lastId === undefined ? "" : JSON.stringify({ resume_after: lastId });
      const stream = await Listener.open(this.#transport, this.#device, payload);
      this.hasArrived = true;
      const isEnough = () => (last() === undefined ? stream.events.length > 2 : hasAll([...this.events, ...stream.events]));
      await until(() => isEnough() || stream.ended !== undefined, "events", STAYS_MS_MAX);
      if (stream.ended !== undefined) this.endings.add(stream.ended);
      stream.leave();
      await until(() => stream.ended !== undefined, "the client to be gone");
      if (stream.events.length > 0) this.streams.push(stream.events);
      await Bun.sleep(Math.random() * AWAY_MS_MAX);
    }
  }
}
