import type { Socket } from "node:net";

/** The open sockets of a listener, and how long each may take until it has said what it is. */
export class Connections {
  readonly #openingTimeoutMs: number;
  readonly #all = new Set<Socket>();
  readonly #opening = new Map<Socket, ReturnType<typeof setTimeout>>();

  constructor(openingTimeoutMs: number) {
    this.#openingTimeoutMs = openingTimeoutMs;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Takes a socket in. It is destroyed when its time is over, unless it is `settled` before. */
  add(socket: Socket): void {
    if (this.#all.has(socket)) return;
    this.#all.add(socket);
    this.#opening.set(
      socket,
      setTimeout(() => socket.destroy(), this.#openingTimeoutMs),
    );
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      this.settled(socket);
      this.#all.delete(socket);
    });
  }

  /** The socket has said what it is. */
  settled(socket: Socket): void {
    clearTimeout(this.#opening.get(socket));
    this.#opening.delete(socket);
  }

  cutOpening(): void {
    for (const socket of this.#opening.keys()) socket.destroy();
  }

  cutAll(): void {
    for (const socket of this.#all) socket.destroy();
  }
}
