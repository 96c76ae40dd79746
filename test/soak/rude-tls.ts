import { createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { type Connection, dialTcp, received, type Target } from "./connection.ts";
import type { ListenerName, RudeKind } from "./rude-kind.ts";

/** What a TLS client says first, as ours says it. */
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

/** Sends the part of a ClientHello. */
async function begin(target: Target, part: number): Promise<Connection> {
  hello ??= clientHello();
  const bytes = await hello;
  const connection = await dialTcp(target);
  await new Promise((resolve) => connection.socket.write(bytes.subarray(0, Math.round(bytes.byteLength * part)), resolve));
  return connection;
}

function kinds(listener: ListenerName): readonly RudeKind[] {
  const kind = (what: string, leave: RudeKind["leave"]) => ({
    name: `TLS (${listener}): ${what}`,
    listener,
    streams: 0,
    leave,
  });
  return [
    kind("goes in the midst of its ClientHello", async (target) => (await begin(target, 0.5)).close()),
    kind("resets when the server has shaken hands", async (target) => {
      const connection = await begin(target, 1);
      await received(connection.socket, (bytes) => bytes.byteLength > 0);
      connection.reset();
    }),
  ];
}

export const TLS_KINDS: readonly RudeKind[] = [...kinds("edge"), ...kinds("grpc")];
