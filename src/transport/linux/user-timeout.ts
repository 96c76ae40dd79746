import { ptr } from "bun:ffi";
import type { ListenAddress } from "../../core/listen.ts";
import { openLibc } from "./libc.ts";
import { findListeningSockets } from "./listening-sockets.ts";

/** Constants of Linux, from linux/tcp.h. */
const IPPROTO_TCP = 6;
const TCP_USER_TIMEOUT = 18;

/**
 * Sets TCP_USER_TIMEOUT (RFC 9293 3.8.3, RFC 5482) for the connections that will be accepted on an address.
 *
 * - The kernel closes a connection in two cases: sent data stays unacknowledged for `timeoutMs`, or the client keeps its
 *   receive window closed for `timeoutMs`.
 * - Without this option, the connection of an unreachable client stays open for about 15 minutes, until the kernel stops
 *   retransmitting.
 * - `Bun.serve` and `node:net` cannot set this option. Accepted sockets inherit it from the listening socket.
 *
 * Throws if the system does not support the option.
 */
export function setUserTimeout(address: ListenAddress, timeoutMs: number): void {
  const { symbols: system, close } = openLibc({
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  });
  const value = new Int32Array([timeoutMs]);
  try {
    for (const fd of findListeningSockets(address)) {
      const result = system.setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ptr(value), value.byteLength);
      if (result !== 0) throw new Error("TCP_USER_TIMEOUT cannot be set");
    }
  } finally {
    close();
  }
}
