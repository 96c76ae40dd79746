import { connect } from "node:net";

/** A TCP connection that a test opened. What the server sends on it is discarded. */
export interface RawConnection {
  closed: boolean;
  destroy(): void;
}

export interface RawConnectionOptions {
  /** Milliseconds between one byte and the next. By default, all bytes are sent in one write. */
  readonly byteIntervalMs?: number | undefined;
  /** The client's loopback address, 127.0.0.1 by default. */
  readonly from?: string;
}

/** Opens a TCP connection to the URL's port on 127.0.0.1, sends the bytes, and stays silent afterwards. */
export async function openRawConnection(
  url: string,
  bytes: string | Uint8Array,
  { byteIntervalMs, from }: RawConnectionOptions = {},
): Promise<RawConnection> {
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1", localAddress: from });
  const connection = { closed: false, destroy: () => socket.destroy() };
  socket.on("error", () => {}).on("data", () => {});
  socket.on("close", () => {
    connection.closed = true;
  });
  await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
  const all = Buffer.from(bytes);
  if (byteIntervalMs === undefined) {
    if (all.length > 0) socket.write(all);
    return connection;
  }
  let at = 0;
  const timer = setInterval(() => socket.write(all.subarray(at, ++at)), byteIntervalMs);
  socket.once("close", () => clearInterval(timer));
  return connection;
}
