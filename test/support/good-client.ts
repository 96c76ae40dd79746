import { createClient, type Transport } from "@connectrpc/connect";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import type { Device } from "./world.ts";

const EMPTY = new Uint8Array(0);

/** A well-behaved client that sends commands in a loop while a test attacks the gateway. */
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

  /** Makes one more call, after the attack, then stops. Resolves to the errors of all failed calls. */
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
