import { SUBSCRIBE_PATH } from "../support/load-device.ts";
import { FRAME, RawH2 } from "../support/raw-h2.ts";
import { until } from "../support/until.ts";
import { type Connection, dial, type Target } from "./connection.ts";
import type { Carrier, DisconnectKind, ListenerName } from "./disconnect-kind.ts";
import { subscription } from "./subscription.ts";

/** Streams on one connection. */
const STREAMS = 10;
const CANCEL = 8;
/** Long enough for a busy machine. */
const TIMEOUT_MS = 30_000;

interface Client {
  readonly connection: Connection;
  readonly http2: RawH2;
}

interface Protocol {
  readonly name: string;
  readonly listener: ListenerName;
  readonly contentType: string;
}

const CONNECT: Protocol = { name: "h2", listener: "edge", contentType: "application/connect+proto" };
const GRPC: Protocol = { name: "gRPC", listener: "grpc", contentType: "application/grpc+proto" };

async function open(target: Target): Promise<Client> {
  const connection = await dial(target, "h2");
  return { connection, http2: new RawH2("", { socket: connection.socket }) };
}

function headers({ contentType }: Protocol): Record<string, string> {
  const fields = { ":method": "POST", ":scheme": "http", ":authority": "edge.example", ":path": SUBSCRIBE_PATH };
  return { ...fields, "content-type": contentType, te: "trailers" };
}

const streamId = (n: number) => 2 * n + 1;

/** Opens the streams. Resolves when each has its first event. */
async function subscribe(target: Target, protocol: Protocol): Promise<Client> {
  const client = await open(target);
  const { http2 } = client;
  for (let n = 0; n < STREAMS; n++) {
    http2.headers(headers(protocol), { stream: streamId(n) });
    http2.data(subscription(), { stream: streamId(n), end: true });
  }
  const answered = () => new Set(http2.frames.filter(({ type }) => type === FRAME.data).map(({ stream }) => stream)).size;
  await until(() => answered() === STREAMS || http2.closed, "the streams' first events", TIMEOUT_MS);
  if (http2.closed) throw new Error("the server closed the connection");
  return client;
}

function carrier(protocol: Protocol): Carrier {
  return {
    name: protocol.name,
    listener: protocol.listener,
    async open(target) {
      const { connection } = await subscribe(target, protocol);
      return { streams: STREAMS, reset: () => connection.reset() };
    },
  };
}

function kinds(protocol: Protocol): readonly DisconnectKind[] {
  const kind = (what: string, streams: number, disconnect: DisconnectKind["disconnect"]) => ({
    name: `${protocol.name}: ${what}`,
    listener: protocol.listener,
    streams,
    disconnect,
  });
  return [
    kind("resets its streams", STREAMS, async (target) => {
      const { connection, http2 } = await subscribe(target, protocol);
      for (let n = 0; n < STREAMS; n++) http2.reset(CANCEL, streamId(n));
      // The PING is answered after the resets (RFC 9113 6.7).
      const before = http2.frames.length;
      http2.frame(FRAME.ping, 0, 0, Buffer.alloc(8));
      await until(() => http2.closed || http2.frames.slice(before).some(({ type }) => type === FRAME.ping), "PING", TIMEOUT_MS);
      connection.close();
    }),
    kind("closes the connection", STREAMS, async (target) => (await subscribe(target, protocol)).connection.close()),
    kind("resets the connection", STREAMS, async (target) => (await subscribe(target, protocol)).connection.reset()),
    kind("closes within the preface", 0, async (target) => {
      const connection = await dial(target, "h2");
      await new Promise((resolve) => connection.socket.write("PRI * HTTP/2.0\r\n\r\nS", resolve));
      connection.close();
    }),
    kind("resets within the headers", 0, async (target) => {
      const { connection, http2 } = await open(target);
      // HEADERS without END_HEADERS: a CONTINUATION must follow.
      await http2.write(Buffer.from([0, 0, 1, FRAME.headers, 0, 0, 0, 0, 1, 0x83]));
      connection.reset();
    }),
    kind("resets within the message", 0, async (target) => {
      const { connection, http2 } = await open(target);
      http2.headers(headers(protocol));
      http2.data(subscription().subarray(0, 40));
      await http2.first(FRAME.settings);
      connection.reset();
    }),
  ];
}

export const HTTP2_CARRIERS: readonly Carrier[] = [carrier(CONNECT), carrier(GRPC)];
export const HTTP2_KINDS: readonly DisconnectKind[] = [...kinds(CONNECT), ...kinds(GRPC)];
