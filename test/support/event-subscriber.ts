import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { refusalOf } from "../../src/client/errors.ts";
import { Gateway, type GatewayEvent } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { until } from "./until.ts";
import type { Device } from "./world.ts";

/** Processes under load may take long. */
const OPEN_MS_MAX = 20_000;

/** One open subscription with every event that it received. */
export class EventSubscriber {
  readonly events: GatewayEvent[] = [];
  /** How the stream ended: "success", the reason of the refusal, or the text of another error. `undefined` while it is open. */
  ended: string | undefined;
  /** The metadata of the refusal that ended the stream. */
  refusalMetadata: Readonly<Record<string, string>> = {};
  readonly #abort = new AbortController();

  /** Subscribes, and resolves at the first event or the end. `payload`: the subscription's payload, the text of a JSON object or "". */
  static async open(transport: Transport, device: Pick<Device, "signer">, payload = ""): Promise<EventSubscriber> {
    const subscriber = new EventSubscriber();
    subscriber.#run(createClient(Gateway, transport), device, payload);
    await until(() => subscriber.events.length > 0 || subscriber.ended !== undefined, "the stream to open", OPEN_MS_MAX);
    return subscriber;
  }

  /** The payloads of the events of a type, as JSON. */
  payloads(eventType: string): unknown[] {
    return this.events
      .filter(({ envelope }) => envelope?.eventType === eventType)
      .map(({ payloadBytes }) => JSON.parse(new TextDecoder().decode(payloadBytes)));
  }

  /** The id of the newest event. */
  get lastId(): string {
    return this.events.at(-1)?.envelope?.eventId ?? "";
  }

  leave(): void {
    this.#abort.abort();
  }

  async #run(client: Client<typeof Gateway>, device: Pick<Device, "signer">, payload: string): Promise<void> {
    const request = await device.signer.sign("gateway.subscribe", new TextEncoder().encode(payload));
    try {
      for await (const event of client.subscribeEvents(request, { signal: this.#abort.signal })) this.events.push(event);
      this.ended = "success";
    } catch (error) {
      const refusal = refusalOf(error);
      this.refusalMetadata = refusal?.metadata ?? {};
      this.ended = refusal?.reason ?? String(error);
    }
  }
}
