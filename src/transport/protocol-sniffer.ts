import type { Socket } from "node:net";
import { PROXY_HEADER_BYTES_MAX, ProxyProtocolError, readProxyHeader, startsWith } from "./peer/proxy-protocol.ts";

/** The connection preface of an HTTP/2 client (RFC 9113 3.4). No HTTP/1.1 request starts with these bytes. */
const HTTP2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** Maximum number of bytes that are read to identify the protocol of a connection. */
const SNIFFED_BYTES_MAX = PROXY_HEADER_BYTES_MAX + HTTP2_PREFACE.length;

/** Returns whether the bytes start with the HTTP/2 preface. Returns `undefined` if more bytes are needed to decide. */
export function startsAsHttp2(bytes: Buffer): boolean | undefined {
  const found = startsWith(bytes, HTTP2_PREFACE);
  return found === "more" ? undefined : found === "yes";
}

/** The result of reading a PROXY header: the client's address, and the bytes that follow the header. */
export interface Origin {
  /** The address in the PROXY header. `undefined` if there is no PROXY header, or if the header names no client. */
  readonly address: string | undefined;
  readonly bytes: Buffer;
}

/**
 * Removes the PROXY header if the bytes start with a PROXY header. Returns `undefined` if more bytes are needed to decide.
 *
 * Throws ProxyProtocolError if the header is malformed. Also throws if a peer that is not a trusted proxy sends a header, because
 * such a peer could name any address.
 */
export function stripProxyHeader(bytes: Buffer, isTrusted: boolean): Origin | undefined {
  const header = readProxyHeader(bytes);
  if (header === "none") return { address: undefined, bytes };
  if (header === "more") return undefined;
  if (!isTrusted) throw new ProxyProtocolError("sent by a peer that is not a trusted proxy");
  return { address: header.address, bytes: bytes.subarray(header.headerBytes) };
}

/** The handlers for the result of `sniffProtocol`. Either one of them is called once, or none is called. */
export interface SnifferHandlers<T> {
  identified(result: T): void;
  /** Called if the protocol of a socket is not identified. The socket is already destroyed. `cause` is the error. */
  rejected(cause: unknown): void;
}

/**
 * Reads the first bytes of a connection until `decide` returns a result. Then pauses the socket and calls `identified`.
 *
 * - If `decide` throws, or has no result after `SNIFFED_BYTES_MAX` bytes, destroys the socket and calls `rejected`.
 * - If the connection ends before there is a result, destroys the socket and calls no handler.
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
