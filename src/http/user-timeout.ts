import { dlopen, ptr } from "bun:ffi";
import { readdirSync } from "node:fs";

/** Linux's own numbers (asm-generic/socket.h, linux/tcp.h). */
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const IPPROTO_TCP = 6;
const TCP_USER_TIMEOUT = 18;

/** The largest address that a socket has (struct sockaddr_storage); in those of IPv4 and IPv6, the port is bytes 2 and 3. */
const ADDRESS_BYTES = 128;
const PORT_OFFSET = 2;

/** glibc's, and musl's. */
const LIBRARIES = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

/**
 * Sets TCP's user timeout (RFC 9293 3.8.3, RFC 5482) of the connections that will come in on a port: one whose client has acknowledged
 * nothing of what waits for it, or taken nothing of it, for so long is cut by the system. Without it, a client that vanished holds its
 * stream until retransmission gives up, a quarter of an hour later. Neither `Bun.serve` nor `node:net` has an option for it, but
 * connections have it from the socket that listens. Throws where the system has no such thing.
 */
export function setUserTimeout(port: number, timeoutMs: number): void {
  const system = openSystem();
  try {
    const listening = openFiles().filter((fd) => system.isListeningOn(fd, port));
    if (listening.length === 0) throw new Error(`nothing listens on port ${port}`);
    for (const fd of listening) system.setUserTimeout(fd, timeoutMs);
  } finally {
    system.close();
  }
}

function openFiles(): readonly number[] {
  return readdirSync("/proc/self/fd").map(Number);
}

function openSystem() {
  const { symbols: system, close } = openLibrary();
  const value = new Int32Array(1);
  const length = new Uint32Array(1);
  const address = new DataView(new ArrayBuffer(ADDRESS_BYTES));
  return {
    isListeningOn(fd: number, port: number): boolean {
      length[0] = value.byteLength;
      const isSocket = system.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, ptr(value), ptr(length)) === 0;
      if (!isSocket || value[0] !== 1) return false;
      length[0] = ADDRESS_BYTES;
      return system.getsockname(fd, ptr(address), ptr(length)) === 0 && address.getUint16(PORT_OFFSET) === port;
    },
    setUserTimeout(fd: number, timeoutMs: number): void {
      value[0] = timeoutMs;
      const result = system.setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ptr(value), value.byteLength);
      if (result !== 0) throw new Error("the system refuses TCP_USER_TIMEOUT");
    },
    close,
  };
}

function openLibrary() {
  const functions = {
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  } as const;
  if (process.platform !== "linux") throw new Error("only Linux has TCP_USER_TIMEOUT");
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, functions);
    } catch {
      // The other one, then.
    }
  }
  throw new Error(`there is none of ${LIBRARIES.join(", ")}`);
}
