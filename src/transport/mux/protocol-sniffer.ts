import type { Socket } from "node:net";
import { PROXY_HEADER_BYTES_MAX, ProxyProtocolError, readProxyHeader, startsWith } from "../peer/proxy-protocol.ts";

/** RFC 9113 3.4: what a client of HTTP/2 sends first. HTTP/1.1 cannot begin so. */
const HTTP2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** The most that is ever needed to decide. */
export const SNIFFED_BYTES_MAX = PROXY_HEADER_BYTES_MAX + HTTP2_PREFACE.length;

/** Whether a connection begins as HTTP/2; `undefined` while so few bytes do not tell. */
export function startsAsHttp2(bytes: Buffer): boolean | undefined {
  const found = startsWith(bytes, HTTP2_PREFACE);
  return found === "more" ? undefined : found === "yes";
}

/** Who opened the connection, and what it says itself. */
export interface Origin {
  /** As the proxy in front tells it; `undefined` where there is none, or where it speaks for itself. */
  readonly address: string | undefined;
  readonly bytes: Buffer;
}

/**
 * Takes the PROXY header off, where there is one; `undefined` while so few bytes do not tell. Throws ProxyProtocolError, also where a
 * peer that is not a trusted proxy sends one: it could name any address it likes.
 */
export function stripProxyHeader(bytes: Buffer, isTrusted: boolean): Origin | undefined {
  const header = readProxyHeader(bytes);
  if (header === "none") return { address: undefined, bytes };
  if (header === "more") return undefined;
  if (!isTrusted) throw new ProxyProtocolError("sent by a peer that is not a trusted proxy");
  return { address: header.address, bytes: bytes.subarray(header.headerBytes) };
}

/** What becomes of a connection once enough is known of it. */
export interface SnifferHandlers<T> {
  decided(result: T): void;
  /** Also with what `decide` threw. The socket is destroyed. */
  refused(cause: unknown): void;
}

/**
 * Reads the first bytes of a connection until `decide` gives something, then hands over, with the socket paused. A connection that ends
 * before that is destroyed.
 */
export function sniffProtocol<T>(socket: Socket, decide: (bytes: Buffer) => T | undefined, end: SnifferHandlers<T>): void {
  let bytes: Buffer = Buffer.alloc(0);
  const refuse = (cause: unknown) => {
    socket.destroy();
    end.refused(cause);
  };
  const onEnd = () => socket.destroy();
  const onData = (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    let result: T | undefined;
    try {
      result = decide(bytes);
    } catch (error) {
      return refuse(error);
    }
    if (result === undefined && bytes.length < SNIFFED_BYTES_MAX) return;
    socket.off("data", onData).off("end", onEnd).pause();
    if (result === undefined) refuse(new Error("the connection does not say what it is"));
    else end.decided(result);
  };
  socket.on("data", onData).once("end", onEnd);
}
