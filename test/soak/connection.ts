import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** Where a client of the soak goes. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** A connection whose client may leave it in any way. */
export interface Connection {
  /** What bytes are written to and come from. */
  readonly socket: Socket;
  /** Resolves when the connection is closed, by whomever. */
  readonly closed: Promise<void>;
  /** Leaves with an RST. */
  reset(): void;
  /** Leaves with a FIN, and takes nothing more. */
  close(): void;
  /** Sends a FIN, and waits for what the server does. */
  halfClose(): void;
}

/** Opens a TCP connection, and TLS in it where that is spoken. Rejects where the server does not take it. */
export async function dial(target: Target, protocol: "h2" | "http/1.1"): Promise<Connection> {
  const raw = await dialTcp(target);
  if (!target.tls) return raw;
  const secure = connectTls({ socket: raw.socket, ALPNProtocols: [protocol], rejectUnauthorized: false });
  secure.on("error", () => {});
  await opened(secure, "secureConnect");
  return { ...raw, socket: secure, halfClose: () => void secure.end() };
}

export async function dialTcp({ host, port }: Target): Promise<Connection> {
  const socket = connect({ host, port, noDelay: true });
  await opened(socket, "connect");
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return {
    socket,
    closed,
    reset: () => void socket.resetAndDestroy(),
    close: () => void socket.destroy(),
    halfClose: () => void socket.end(),
  };
}

function opened(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the server closed the connection before it was open")));
  });
}

/** Resolves when a socket's bytes so far hold what is looked for. Rejects where the connection ends before. */
export function received(socket: Socket, found: (bytes: Buffer) => boolean): Promise<void> {
  let bytes: Buffer = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      socket.off("data", take).off("close", fail);
      if (error === undefined) resolve();
      else reject(error);
    };
    const take = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (found(bytes)) settle();
    };
    const fail = () => settle(new Error(`the server closed the connection after ${bytes.toString("latin1").slice(0, 200)}`));
    socket.on("data", take).on("close", fail);
  });
}
