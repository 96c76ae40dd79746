import { createServer, type Http2Server } from "node:http2";
import type { Socket } from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { type ListenAddress, ListenError } from "../core/listen.ts";
import { listenOn } from "../core/listen-on.ts";
import { PUSH_REQUEST_BYTES_MAX } from "./limits.ts";

export interface PushListener {
  readonly port: number;
  /** Stops listening. Destroys every connection without a GOAWAY, as in a crash of the backend. */
  close(): Promise<void>;
}

/** Serves gRPC, gRPC-Web and Connect over HTTP/2 without TLS. Rejects with `ListenError`. */
export async function openPushListener(
  listen: ListenAddress,
  routes: (router: ConnectRouter) => void,
  streamsMax: number,
): Promise<PushListener> {
  const closing = new AbortController();
  const server = createServer(
    { settings: { maxConcurrentStreams: streamsMax } },
    connectNodeAdapter({
      routes,
      readMaxBytes: PUSH_REQUEST_BYTES_MAX,
      acceptCompression: [],
      shutdownSignal: closing.signal,
    }),
  );
  const sockets = trackSockets(server);
  const { bound } = await listenOn(server, listen).catch((error) => {
    throw new ListenError("the embedded backend's push feed", listen, error);
  });
  // The server emits `error` if it cannot accept a connection. Without a handler, Node.js ends the process.
  server.on("error", () => {});
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
      closing.abort();
    });
  return { port: bound.port, close };
}

function trackSockets(server: Http2Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return sockets;
}
