import { ptr } from "bun:ffi";
import { openLibc } from "./libc.ts";
import { findListeningSockets } from "./listening-sockets.ts";

/** Linux's own numbers (linux/tcp.h). */
const IPPROTO_TCP = 6;
const TCP_USER_TIMEOUT = 18;

/**
 * Sets TCP's user timeout (RFC 9293 3.8.3, RFC 5482) of the connections that will come in on a port: one whose client has acknowledged
 * nothing of what waits for it, or taken nothing of it, for so long is cut by the system. Without it, a client that vanished holds its
 * stream until retransmission gives up, a quarter of an hour later. Neither `Bun.serve` nor `node:net` has an option for it, but
 * connections have it from the socket that listens. Throws where the system has no such thing.
 */
export function setUserTimeout(port: number, timeoutMs: number): void {
  const { symbols: system, close } = openLibc({
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  });
  const value = new Int32Array([timeoutMs]);
  try {
    for (const fd of findListeningSockets(port)) {
      const result = system.setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ptr(value), value.byteLength);
      if (result !== 0) throw new Error("the system refuses TCP_USER_TIMEOUT");
    }
  } finally {
    close();
  }
}
