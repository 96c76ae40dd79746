/**
 * The clients of the push benchmark: many streams over raw connections, that count what arrives and when. `POST /open` opens them,
 * `GET /arrivals?since=` tells of the events since a moment.
 */
import { connect as connectHttp2 } from "node:http2";
import { answerParent, parameters } from "../child.ts";
import { subscription, subscriptionFields, subscriptionOverHttp1 } from "./raw-subscription.ts";

interface Parameters {
  readonly port: number;
  readonly streams: number;
  readonly http: "1.1" | "2";
  readonly contentType: string;
  /** Over HTTP/2. */
  readonly streamsPerConnection: number;
  /** What every event holds once, and nothing else holds. */
  readonly mark: string;
}

const { port, streams, http, contentType, streamsPerConnection, mark } = parameters<Parameters>();
/** Streams that are being opened at a time. */
const OPENING_MAX = 64;
const arrivals: number[] = [];

const sessionOf = (n: number) => `bench-session-${n}`;
const now = () => performance.timeOrigin + performance.now();

/** Counts the marks in what a stream brings. Calls back with the first bytes. */
function watch(opened: () => void): (chunk: Buffer) => void {
  let isOpen = false;
  let rest = "";
  return (chunk) => {
    const parts = (rest + chunk.toString("latin1")).split(mark);
    for (let n = 1; n < parts.length; n++) arrivals.push(now());
    rest = (parts.at(-1) ?? "").slice(-mark.length + 1);
    if (!isOpen) opened();
    isOpen = true;
  };
}

async function openOverHttp1(n: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const take = watch(resolve);
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (socket) => void socket.write(subscriptionOverHttp1(sessionOf(n), contentType)),
      data: (_, chunk) => take(Buffer.from(chunk)),
      close: () => reject(new Error("the server closed the connection")),
      error: (_, error) => reject(error),
    },
  });
  return promise;
}

let shared: ReturnType<typeof connectHttp2> | undefined;
let streamsOfShared = 0;

async function openOverHttp2(n: number): Promise<void> {
  if (shared === undefined || streamsOfShared >= streamsPerConnection) {
    shared = connectHttp2(`http://127.0.0.1:${port}`);
    streamsOfShared = 0;
  }
  streamsOfShared++;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stream = shared.request(subscriptionFields(contentType));
  stream.on("data", watch(resolve));
  stream.on("error", reject);
  stream.on("close", () => reject(new Error("the server closed the stream")));
  stream.end(subscription(sessionOf(n)));
  return promise;
}

async function openAll(): Promise<void> {
  const open = http === "1.1" ? openOverHttp1 : openOverHttp2;
  const left = Array.from({ length: streams }, (_, n) => n).values();
  const worker = async () => {
    for (const n of left) await open(n);
  };
  await Promise.all(Array.from({ length: OPENING_MAX }, worker));
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  routes: {
    "/open": async () => {
      await openAll();
      return new Response();
    },
    "/arrivals": (request) => {
      const since = Number(new URL(request.url).searchParams.get("since"));
      return Response.json(arrivals.filter((at) => at >= since).map((at) => at - since));
    },
    "/count": () => Response.json(arrivals.length),
  },
});
answerParent({ port: server.port ?? 0 });
