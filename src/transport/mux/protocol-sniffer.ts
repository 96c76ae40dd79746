import type { Socket } from "node:net";
import { PROXY_HEADER_BYTES_MAX, ProxyProtocolError, readProxyHeader, startsWith } from "../peer/proxy-protocol.ts";

/** RFC 9113 3.4: the connection preface of an HTTP/2 client. No HTTP/1.1 request starts with it. */
const HTTP2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** The longest prefix that is needed to identify the protocol. */
export const SNIFFED_BYTES_MAX = PROXY_HEADER_BYTES_MAX + HTTP2_PREFACE.length;

/** Whether the bytes start with the HTTP/2 preface. `undefined` if they are too few to decide. */
export function startsAsHttp2(bytes: Buffer): boolean | undefined {
  const found = startsWith(bytes, HTTP2_PREFACE);
  return found === "more" ? undefined : found === "yes";
}

/** The client's address, and the bytes after the PROXY header. */
export interface Origin {
  /** From the PROXY header. `undefined` without a header, or if the header names no client. */
  readonly address: string | undefined;
  readonly bytes: Buffer;
}

/**
 * Removes a PROXY header, if there is one. `undefined` if the bytes are too few to decide. Throws ProxyProtocolError on a malformed header,
 * and on a header of a peer that is not a trusted proxy, since it could name any address.
 */
export function stripProxyHeader(bytes: Buffer, isTrusted: boolean): Origin | undefined {
  const header = readProxyHeader(bytes);
  if (header === "none") return { address: undefined, bytes };
  if (header === "more") return undefined;
  if (!isTrusted) throw new ProxyProtocolError("sent by a peer that is not a trusted proxy");
  return { address: header.address, bytes: bytes.subarray(header.headerBytes) };
}

/** The outcome of sniffing a connection. One of the two is called, once. */
export interface SnifferHandlers<T> {
  identified(result: T): void;
  /** The socket has been destroyed. `cause`: what `decide` threw, or an error. */
  rejected(cause: unknown): void;
}

/**
 * Reads the first bytes of a connection until `decide` returns a result, pauses the socket and passes the result on. A connection that ends
 * earlier is destroyed without a call.
 */
export function sniffProtocol<T>(socket: Socket, decide: (bytes: Buffer) => T | undefined, end: SnifferHandlers<T>): void {
  let bytes: Buffer = Buffer.alloc(0);
  const refuse = (cause: unknown) => {
    socket.destroy();
    end.rejected(cause);
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
    if (result === undefined) refuse(new Error("the protocol is unknown"));
    else end.identified(result);
  };
  socket.on("data", onData).once("end", onEnd);
}
