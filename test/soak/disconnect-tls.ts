import { createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { type Connection, dialTcp, received, type Target } from "./connection.ts";
import type { DisconnectKind, ListenerName } from "./disconnect-kind.ts";

/** A ClientHello of Bun's TLS client. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (bytes: Buffer) => {
        socket.destroy();
        server.close();
        resolve(bytes);
      });
    });
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" ? address?.port : undefined;
      connectTls({ host: "127.0.0.1", port, ALPNProtocols: ["h2", "http/1.1"] }).on("error", () => {});
    });
  });
}

let hello: Promise<Buffer> | undefined;

/** Sends the first part of a ClientHello, 0 to 1 of it. */
async function begin(target: Target, part: number): Promise<Connection> {
  hello ??= clientHello();
  const bytes = await hello;
  const connection = await dialTcp(target);
  await new Promise((resolve) => connection.socket.write(bytes.subarray(0, Math.round(bytes.byteLength * part)), resolve));
  return connection;
}

function kinds(listener: ListenerName): readonly DisconnectKind[] {
  const kind = (what: string, disconnect: DisconnectKind["disconnect"]) => ({
    name: `TLS (${listener}): ${what}`,
    listener,
    streams: 0,
    disconnect,
  });
  return [
    kind("closes within its ClientHello", async (target) => (await begin(target, 0.5)).close()),
    kind("resets after the server's part of the handshake", async (target) => {
      const connection = await begin(target, 1);
      await received(connection.socket, (bytes) => bytes.byteLength > 0);
      connection.reset();
    }),
  ];
}

export const TLS_KINDS: readonly DisconnectKind[] = [...kinds("edge"), ...kinds("grpc")];
