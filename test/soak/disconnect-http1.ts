import { SUBSCRIBE_PATH } from "../support/load-device.ts";
import { type Connection, dial, dialTcp, received, type Target } from "./connection.ts";
import type { Carrier, DisconnectKind } from "./disconnect-kind.ts";
import { subscription } from "./subscription.ts";

/** A complete HTTP/1.1 subscription. */
function request(): Buffer {
  const body = subscription();
  const head = `POST ${SUBSCRIBE_PATH} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/connect+proto\r\nContent-Length: ${body.byteLength}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

const FIRST_EVENT = "gateway.server_time";

async function subscribe(target: Target): Promise<Connection> {
  const connection = await dial(target, "http/1.1");
  const opened = received(connection.socket, (bytes) => bytes.includes(FIRST_EVENT));
  connection.socket.write(request());
  await opened;
  return connection;
}

/** Sends the first part of the request, 0 to 1 of it. Resolves when it is written. */
async function begin(target: Target, part: number): Promise<Connection> {
  const connection = await dial(target, "http/1.1");
  const whole = request();
  await new Promise((resolve) => connection.socket.write(whole.subarray(0, Math.round(whole.byteLength * part)), resolve));
  return connection;
}

const IN_HEADERS = 0.2;
const IN_BODY = 0.9;

export const HTTP1_CARRIER: Carrier = {
  name: "HTTP/1.1",
  listener: "edge",
  async open(target) {
    const connection = await subscribe(target);
    return { streams: 1, reset: () => connection.reset() };
  },
};

export const HTTP1_KINDS: readonly DisconnectKind[] = [
  kind("resets the connection", 1, async (target) => (await subscribe(target)).reset()),
  kind("closes the connection", 1, async (target) => (await subscribe(target)).close()),
  kind("half-closes the connection", 1, async (target) => {
    const connection = await subscribe(target);
    connection.socket.resume();
    connection.halfClose();
    await connection.closed;
  }),
  kind("closes within the headers", 0, async (target) => (await begin(target, IN_HEADERS)).close()),
  kind("resets within the message", 0, async (target) => (await begin(target, IN_BODY)).reset()),
  kind("closes without a request", 0, async (target) => (await dialTcp(target)).close()),
];

function kind(what: string, streams: number, disconnect: DisconnectKind["disconnect"]): DisconnectKind {
  return { name: `HTTP/1.1: ${what}`, listener: "edge", streams, disconnect };
}
