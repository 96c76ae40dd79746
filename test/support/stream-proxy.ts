import { connect, createServer, type Socket } from "node:net";

/** What a proxy does with the bytes from the gateway. */
export interface ProxyFaults {
  /** The number of bytes from the gateway after which the next connection is cut. `undefined`: never. */
  cutAfterBytes?: (() => number | undefined) | undefined;
  /** Holds what the gateway sends until it ends the response, as a proxy that buffers. Short responses pass. */
  buffers?: boolean;
  /** Buffers each response from this number of ms after its request. */
  buffersAfterMs?: number;
}

/** Time for the client to read what came before a cut, in ms. */
const READ_MS = 30;

/** A TCP proxy that cuts and holds connections, and that can move to another gateway. */
export class StreamProxy {
  readonly faults: ProxyFaults = {};
  /** The number of connections that the proxy cut. */
  cuts = 0;
  #target: URL;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((client) => this.#serve(client));

  private constructor(target: string) {
    this.#target = new URL(target);
  }

  static async open(target: string): Promise<StreamProxy> {
    const proxy = new StreamProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    const bound = this.#server.address();
    if (bound === null || typeof bound === "string") throw new Error("the proxy does not listen");
    return `http://127.0.0.1:${bound.port}`;
  }

  /** Later connections go to another gateway. */
  moveTo(target: string): void {
    this.#target = new URL(target);
  }

  /** Cuts all open connections. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.cutAll();
  }

  #serve(client: Socket): void {
    const gateway = connect({ port: Number(this.#target.port), host: this.#target.hostname, noDelay: true });
    for (const socket of [client, gateway]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        gateway.destroy();
      });
    }
    client.pipe(gateway);
    let askedAtMs = performance.now();
    client.on("data", () => {
      askedAtMs = performance.now();
    });
    const held: Buffer[] = [];
    let bytesLeft = this.faults.cutAfterBytes?.() ?? Number.POSITIVE_INFINITY;
    gateway.on("data", (chunk: Buffer) => {
      held.push(chunk);
      // A response of known length, or the last chunk of a stream (RFC 9112 7.1).
      const isWhole =
        /content-length:/i.test(held[0]?.toString("latin1") ?? "") || chunk.toString("latin1").endsWith("0\r\n\r\n");
      const { buffers, buffersAfterMs = Number.POSITIVE_INFINITY } = this.faults;
      if ((buffers || performance.now() - askedAtMs > buffersAfterMs) && !isWhole) return;
      const bytes = Buffer.concat(held.splice(0));
      client.write(bytes.subarray(0, Math.min(bytesLeft, bytes.length)));
      bytesLeft -= bytes.length;
      if (bytesLeft > 0) return;
      bytesLeft = 0;
      gateway.pause();
      // A cut discards what the client has not read yet.
      setTimeout(() => {
        this.cuts++;
        client.destroy();
      }, READ_MS);
    });
  }
}
