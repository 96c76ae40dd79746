import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { refusalOf } from "../../src/client/errors.ts";
import { Gateway, type GatewayEvent } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { until } from "./until.ts";
import type { Device } from "./world.ts";

/** One open subscription, and everything that it has brought. */
export class Listener {
  readonly events: GatewayEvent[] = [];
  /** The reason for which the gateway ended the stream; or what else ended it. */
  ended: string | undefined;
  /** What the reason came with. */
  refusalMetadata: Readonly<Record<string, string>> = {};
  readonly #leave = new AbortController();

  /** `payload`: of the subscription; the text of a JSON object, or nothing. */
  static async open(transport: Transport, device: Device, payload = ""): Promise<Listener> {
    const listener = new Listener();
    listener.#run(createClient(Gateway, transport), device, payload);
    await until(() => listener.events.length > 0 || listener.ended !== undefined, "the stream to open");
    return listener;
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
    this.#leave.abort();
  }

  async #run(client: Client<typeof Gateway>, device: Device, payload: string): Promise<void> {
    const request = await device.signer.sign("gateway.subscribe", new TextEncoder().encode(payload));
    try {
      for await (const event of client.subscribeEvents(request, { signal: this.#leave.signal })) this.events.push(event);
      this.ended = "success";
    } catch (error) {
      const refusal = refusalOf(error);
      this.refusalMetadata = refusal?.metadata ?? {};
      this.ended = refusal?.reason ?? String(error);
    }
  }
}
