import { connect } from "node:net";
import { encodeFrame, FRAME } from "../../support/raw-h2.ts";
import type { WireInput } from "./wire-shapes.ts";

/** After this silence no answer is expected: the request is incomplete. */
const SILENCE_MS = 150;
/** Work that follows the answer is done after this. */
const REST_MS = 20;
const TIMEOUT_MS = 10_000;
/** The server acknowledges it after all frames before it. */
const LAST_PING = encodeFrame(FRAME.ping, 0, 0, Buffer.from("the last"));

/** Sends the bytes on a connection of their own; resolves when the server has answered them, hung up or fallen silent. */
export function sendWire(url: string, { http, bytes }: WireInput): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    const done = () => {
      clearTimeout(silence);
      clearTimeout(timer);
      socket.destroy();
      resolve();
    };
    let silence = setTimeout(() => {}, 0);
    const timer = setTimeout(() => reject(new Error("neither an answer nor an end in time")), TIMEOUT_MS);
    let received = "";
    socket.on("data", (chunk: Uint8Array) => {
      received = (received + Buffer.from(chunk).toString("latin1")).slice(-4096);
      clearTimeout(silence);
      silence = setTimeout(done, isAnswered(received, http) ? REST_MS : SILENCE_MS);
    });
    socket.on("error", () => {});
    socket.on("close", done);
    socket.write(http === "2" ? Buffer.concat([bytes, LAST_PING]) : bytes, () => {
      silence = setTimeout(done, SILENCE_MS);
    });
  });
}

function isAnswered(received: string, http: WireInput["http"]): boolean {
  return http === "2" ? received.includes("the last") : /^HTTP\/1\.1 \d{3}[\s\S]*\r\n\r\n/.test(received);
}
