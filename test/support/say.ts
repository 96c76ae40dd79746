import { connect } from "node:net";

/** A connection on which little is said. */
export interface Sayer {
  closed: boolean;
  destroy(): void;
}

export interface SayOptions {
  /** So many milliseconds pass between one byte and the next; all at once where there is none. */
  readonly everyMs?: number;
  /** Where on loopback the client is, if not at 127.0.0.1. */
  readonly from?: string;
}

/** Opens a connection, says these bytes, and then nothing more; reads whatever comes. */
export async function say(url: string, bytes: string | Uint8Array, { everyMs, from }: SayOptions = {}): Promise<Sayer> {
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1", localAddress: from });
  const sayer = { closed: false, destroy: () => socket.destroy() };
  socket.on("error", () => {}).on("data", () => {});
  socket.on("close", () => {
    sayer.closed = true;
  });
  await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
  const all = Buffer.from(bytes);
  if (everyMs === undefined) {
    if (all.length > 0) socket.write(all);
    return sayer;
  }
  let at = 0;
  const timer = setInterval(() => socket.write(all.subarray(at, ++at)), everyMs);
  socket.once("close", () => clearInterval(timer));
  return sayer;
}
