import { createClient, type Transport } from "@connectrpc/connect";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import type { Device } from "./world.ts";

const EMPTY = new Uint8Array(0);

/** An honest client that calls on and on while somebody else misbehaves. */
export class GoodClient {
  calls = 0;
  readonly failures: string[] = [];
  readonly #transport: Transport;
  #isDone = false;
  readonly #running: Promise<void>;

  constructor(transport: Transport, device: Device) {
    this.#transport = transport;
    this.#running = this.#run(device);
  }

  /** After one call more, so that there is one from when all was over; gives what failed. */
  async stop(): Promise<readonly string[]> {
    this.#isDone = true;
    await this.#running;
    return this.failures;
  }

  async #run(device: Device): Promise<void> {
    const client = createClient(Gateway, this.#transport);
    for (let isLast = false; !isLast; ) {
      isLast = this.#isDone;
      try {
        await client.executeCommand(await device.signer.sign("user.profile.get", EMPTY), { timeoutMs: 5000 });
        this.calls++;
      } catch (error) {
        this.failures.push(String(error));
      }
      await Bun.sleep(2);
    }
  }
}
