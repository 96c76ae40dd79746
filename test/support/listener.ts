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
  readonly #leave = new AbortController();

  static async open(transport: Transport, device: Device): Promise<Listener> {
    const listener = new Listener();
    listener.#run(createClient(Gateway, transport), device);
    await until(() => listener.events.length > 0 || listener.ended !== undefined, "the stream to open");
    return listener;
  }

  /** The payloads of the events of a type, as JSON. */
  payloads(eventType: string): unknown[] {
    return this.events
      .filter(({ envelope }) => envelope?.eventType === eventType)
      .map(({ payloadBytes }) => JSON.parse(new TextDecoder().decode(payloadBytes)));
  }

  leave(): void {
    this.#leave.abort();
  }

  async #run(client: Client<typeof Gateway>, device: Device): Promise<void> {
    const request = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
    try {
      for await (const event of client.subscribeEvents(request, { signal: this.#leave.signal })) this.events.push(event);
      this.ended = "success";
    } catch (error) {
      this.ended = refusalOf(error)?.reason ?? String(error);
    }
  }
}
