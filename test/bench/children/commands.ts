/** Sends signed commands over a few connections at a steady rate. `/send?commands=N` responds when all are answered. */
import { type ClientHttp2Session, connect } from "node:http2";
import { encodeFrame } from "../../../src/rpc/frame.ts";
import { command } from "../../support/load-device.ts";
import { answerParent, parameters } from "../child.ts";

interface Parameters {
  readonly url: string;
  readonly http: "1.1" | "2";
  readonly contentType: string;
  readonly perSecond: number;
}

const { url, http, contentType, perSecond } = parameters<Parameters>();
const PATH = "/sallyport.v1.Gateway/ExecuteCommand";
const CONNECTIONS = 4;
const CONCURRENCY = 32;
const SESSIONS = 64;

const isFramed = contentType.startsWith("application/grpc");
const send = http === "2" ? overHttp2() : overHttp1;

function body(n: number): Uint8Array<ArrayBuffer> {
  const message = command(`bench-session-${n % SESSIONS}`, "user.profile.get");
  return isFramed ? new Uint8Array(encodeFrame(0, message)) : message;
}

async function overHttp1(n: number): Promise<void> {
  const response = await fetch(`${url}${PATH}`, { method: "POST", body: body(n), headers: { "content-type": contentType } });
  const reply = await response.bytes();
  if (!response.ok) throw new Error(`${response.status} ${new TextDecoder().decode(reply)}`);
}

function overHttp2(): (n: number) => Promise<void> {
  const connections: ClientHttp2Session[] = [];
  /** The gateway ends each connection after `connections.requests_max` requests. */
  const connectionOf = (n: number) => {
    const at = n % CONNECTIONS;
    const open = connections[at];
    if (open !== undefined && !open.closed && !open.destroyed) return open;
    const next = connect(url).on("error", () => {});
    connections[at] = next;
    return next;
  };
  return (n) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fields = { ":method": "POST", ":path": PATH, "content-type": contentType, te: "trailers" };
    const stream = connectionOf(n).request(fields);
    stream.on("response", (head) => {
      const status = head["grpc-status"] ?? head[":status"];
      if (status !== 200) reject(new Error(`${status} ${head["grpc-message"]}`));
    });
    stream.on("error", reject).on("end", resolve).resume().end(body(n));
    return promise;
  };
}

async function sendAll(commands: number): Promise<void> {
  const startedMs = performance.now();
  const numbers = Array.from({ length: commands }, (_, n) => n).values();
  const worker = async () => {
    for (const n of numbers) {
      const dueMs = startedMs + (n / perSecond) * 1000;
      if (performance.now() < dueMs) await Bun.sleep(dueMs - performance.now());
      // A command that fails because its connection ends is repeated on the next one.
      await send(n).catch(() => send(n));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    try {
      await sendAll(Number(new URL(request.url).searchParams.get("commands")));
      return new Response();
    } catch (error) {
      return new Response(String(error), { status: 500 });
    }
  },
});
answerParent({ port: server.port ?? 0 });
