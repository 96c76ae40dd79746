import { connect as connectHttp2 } from "node:http2";
import { connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { until } from "./until.ts";

/** TCP clients behind a proxy that can be frozen. A frozen proxy forwards no bytes and no ends of connections, in either direction. */
export class FrozenClients {
  readonly #target: URL;
  readonly #proxy: Server;
  readonly #sockets: { destroy(): void }[] = [];
  #isFrozen = false;

  private constructor(target: URL) {
    this.#target = target;
    this.#proxy = createServer((client) => this.#forward(client));
  }

  static async open(target: string): Promise<FrozenClients> {
    const clients = new FrozenClients(new URL(target));
    await new Promise<void>((resolve) => clients.#proxy.listen(0, "127.0.0.1", resolve));
    return clients;
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#proxy.close();
  }

  /** A connection without application bytes. For an https URL, the TLS handshake is complete, with `protocol` in ALPN. */
  async silent(protocol: "http/1.1" | "h2" = "http/1.1"): Promise<Socket> {
    const address = { host: "127.0.0.1", port: this.#port };
    const isSecure = this.#target.protocol === "https:";
    const socket = isSecure
      ? connectTls({ ...address, rejectUnauthorized: false, ALPNProtocols: [protocol] })
      : connect(address);
    this.#sockets.push(socket);
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once(isSecure ? "secureConnect" : "connect", resolve));
    return socket;
  }

  /** A connection that has sent the first bytes of a TLS record. */
  async handshakeStarted(): Promise<void> {
    const socket = connect(this.#port, "127.0.0.1");
    this.#sockets.push(socket);
    socket.on("error", () => {});
    await new Promise((resolve) => socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1]), resolve));
  }

  /** An idle HTTP/1.1 connection after one answered request. */
  async answered(path: string): Promise<Socket> {
    const socket = await this.silent();
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: edge.example\r\n\r\n`);
    await until(() => received.includes("\r\n\r\n"), "an answer");
    return socket;
  }

  /** An idle HTTP/2 connection after one answered request. */
  async answeredOverHttp2(path: string): Promise<void> {
    const connection = connectHttp2(`${this.#target.protocol}//127.0.0.1:${this.#port}`, { rejectUnauthorized: false });
    this.#sockets.push(connection);
    connection.on("error", () => {});
    const stream = connection.request({ ":path": path });
    stream.resume();
    await new Promise((resolve) => stream.once("close", resolve));
  }

  get #port(): number {
    const address = this.#proxy.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  #forward(client: Socket): void {
    const inner = connect({ port: Number(this.#target.port), host: this.#target.hostname, noDelay: true });
    this.#sockets.push(client, inner);
    for (const [from, to] of [
      [client, inner],
      [inner, client],
    ] as const) {
      from.on("error", () => {});
      from.on("data", (chunk: Buffer) => this.#isFrozen || to.write(chunk));
      from.on("close", () => this.#isFrozen || to.destroy());
    }
  }
}
