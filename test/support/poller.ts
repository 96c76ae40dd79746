import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { Gateway, type GatewayEvent } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import type { Device } from "./world.ts";

/** The payload of a call of FetchEvents, without `resume_after`. */
export interface PollOptions {
  readonly wait_ms?: number;
  readonly events_max?: number;
}

/** A client that calls FetchEvents again and again, and resumes after the last event that it received. */
export class Poller {
  /** Every event of every answer. */
  readonly events: GatewayEvent[] = [];
  #client: Client<typeof Gateway>;
  readonly #device: Device;

  constructor(transport: Transport, device: Device) {
    this.#client = createClient(Gateway, transport);
    this.#device = device;
  }

  get lastId(): string | undefined {
    return this.events.at(-1)?.envelope?.eventId;
  }

  /** Makes the next calls at another gateway, or over another protocol. */
  moveTo(transport: Transport): void {
    this.#client = createClient(Gateway, transport);
  }

  /** Makes one call. Returns the events of its answer. Throws the refusal. */
  async poll(options: PollOptions = {}, call: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {}) {
    const { lastId } = this;
    const payload = JSON.stringify({ ...options, ...(lastId !== undefined && { resume_after: lastId }) });
    const request = await this.#device.signer.sign("gateway.fetch", new TextEncoder().encode(payload));
    const { events } = await this.#client.fetchEvents(request, call);
    this.events.push(...events);
    return events;
  }
}

export function typesOf(events: readonly GatewayEvent[]): string[] {
  return events.map(({ envelope }) => envelope?.eventType ?? "");
}

/** The payload of an event, which is a JSON object. */
export function payloadOf(event: GatewayEvent | undefined): Readonly<Record<string, unknown>> {
  return JSON.parse(new TextDecoder().decode(event?.payloadBytes));
}
