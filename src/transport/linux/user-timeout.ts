import { ptr } from "bun:ffi";
import { openLibc } from "./libc.ts";
import { findListeningSockets } from "./listening-sockets.ts";

/** Linux constants (linux/tcp.h). */
const IPPROTO_TCP = 6;
const TCP_USER_TIMEOUT = 18;

/**
 * Sets TCP_USER_TIMEOUT (RFC 9293 3.8.3, RFC 5482) for connections that a port will accept. The kernel closes a connection whose sent data
 * stays unacknowledged, or whose receive window stays closed, for this long. Without it, an unreachable client holds its stream until
 * retransmission ends, after about 15 minutes. `Bun.serve` and `node:net` have no such option, but accepted sockets inherit it from the
 * listening socket. Throws if the system does not support it.
 */
export function setUserTimeout(port: number, timeoutMs: number): void {
  const { symbols: system, close } = openLibc({
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  });
  const value = new Int32Array([timeoutMs]);
  try {
    for (const fd of findListeningSockets(port)) {
      const result = system.setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ptr(value), value.byteLength);
      if (result !== 0) throw new Error("TCP_USER_TIMEOUT cannot be set");
    }
  } finally {
    close();
  }
}
