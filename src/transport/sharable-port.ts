import type { ListenAddress } from "../core/listen.ts";
import { SharedPort } from "./linux/shared-port.ts";

/** The port of a listener, which may be shared with other processes. */
export class SharablePort {
  readonly #addressOf: () => ListenAddress;
  #shared: SharedPort | undefined;

  /** `addressOf` returns the IP address and the port to which the listener is bound. */
  constructor(addressOf: () => ListenAddress) {
    this.#addressOf = addressOf;
  }

  /** See `SharedPort`. A repeated call has no effect. */
  share(): void {
    this.#shared ??= new SharedPort(this.#addressOf());
  }

  moved(fd: number): void {
    this.#shared?.moved(fd);
  }

  /** See `SharedPort.stopAccepting`. Throws if the port is not shared. */
  stopAccepting(): void {
    if (this.#shared === undefined) throw new Error("the port is not shared with another process");
    this.#shared.stopAccepting();
  }

  close(): void {
    this.#shared?.close();
    this.#shared = undefined;
  }
}
