import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** The address that a client connects to. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** A connection that the client can end in several ways. */
export interface Connection {
  /** The socket for application bytes; over TLS, the TLS socket. */
  readonly socket: Socket;
  /** Resolves when either side has closed the connection. */
  readonly closed: Promise<void>;
  /** Sends an RST. */
  reset(): void;
  /** Sends a FIN and stops reading. */
  close(): void;
  /** Sends a FIN and keeps reading. */
  halfClose(): void;
}

/** Opens a TCP connection, with TLS if `target.tls`. Rejects if the server closes it first. */
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

/** Resolves when `found` accepts the bytes received so far. Rejects if the connection closes before. */
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
