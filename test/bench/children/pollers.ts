/** Many waiting calls of FetchEvents over raw connections. `POST /open` sends all of them. */
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { encodeFrame } from "../../../src/rpc/frame.ts";
import { FETCH_PATH, poll } from "../../support/load-device.ts";
import { answerParent, parameters } from "../child.ts";

export interface PollersParameters {
  readonly port: number;
  readonly polls: number;
  readonly http: "1.1" | "2";
  readonly contentType: string;
}

const POLLS_PER_CONNECTION = 100;
const { port, polls, http, contentType } = parameters<PollersParameters>();
const isFramed = contentType.startsWith("application/grpc");
const connections: ClientHttp2Session[] = [];

function bodyOf(n: number): Uint8Array {
  const message = poll(`bench-session-${n}`);
  return isFramed ? encodeFrame(0, message) : message;
}

async function sendOverHttp1(n: number): Promise<void> {
  const body = bodyOf(n);
  const head = `POST ${FETCH_PATH} HTTP/1.1\r\nHost: edge.example\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.byteLength}\r\n\r\n`;
  const request = Buffer.concat([Buffer.from(head), body]);
  await Bun.connect({ hostname: "127.0.0.1", port, socket: { open: (socket) => void socket.write(request), data() {} } });
}

function sendOverHttp2(n: number): void {
  const at = Math.floor(n / POLLS_PER_CONNECTION);
  connections[at] ??= connectHttp2(`http://127.0.0.1:${port}`);
  const fields = { ":method": "POST", ":path": FETCH_PATH, "content-type": contentType, te: "trailers" };
  const stream = connections[at].request(fields);
  stream.on("error", () => {});
  stream.resume();
  stream.end(bodyOf(n));
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  routes: {
    "/open": async () => {
      for (let n = 0; n < polls; n++) await (http === "1.1" ? sendOverHttp1(n) : sendOverHttp2(n));
      return new Response();
    },
  },
});
answerParent({ port: server.port ?? 0 });
