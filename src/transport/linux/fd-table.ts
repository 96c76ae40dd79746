import { ptr } from "bun:ffi";
import { closeSync, openSync, readSync } from "node:fs";
import type { ListenAddress } from "../../core/listen.ts";
import { openLibc } from "./libc.ts";
import { findListeningSockets } from "./listening-sockets.ts";
import { SocketAddress } from "./socket-address.ts";

/** Constants of Linux, from asm-generic/fcntl.h, linux/eventfd.h, bits/socket.h and asm-generic/socket.h. */
const EFD_CLOEXEC = 0o2000000;
const SHUT_RDWR = 2;
const SOL_SOCKET = 1;
const SO_COOKIE = 57;

/** Number of bytes read from /proc/self/status. The line with FDSize is within the first 1024 bytes. */
const STATUS_BYTES = 1024;

/**
 * The file descriptors of this process. Tells which of them are connections that were accepted on one port. Reads the peer
 * addresses of connections.
 */
export interface FdTable {
  /**
   * The SO_COOKIE of the socket that `readIdentity` read last. The kernel gives each socket a different cookie, and never
   * reuses a cookie.
   */
  readonly identity: Uint32Array;
  /** The peer address that `readPeer` read last. */
  readonly peer: SocketAddress;
  /** Reads the identity of a socket into `identity`. Returns false if the fd is not open or is not a socket. */
  readIdentity(fd: number): boolean;
  /** Reads the peer address of a connection into `peer`. Returns false if the fd is not open or is not an IP connection. */
  readPeer(fd: number): boolean;
  /** Returns whether `fd` is a connection that was accepted on the `address` of `openFdTable`. */
  isAccepted(fd: number): boolean;
  /**
   * Calls shutdown(2), which ends the connection in both directions. The owner of the socket then closes the fd, as if the peer
   * had disconnected.
   */
  shutDown(fd: number): void;
  /** Returns the lowest free fd. Returns `undefined` if the process has reached its limit of open files. */
  lowestFree(): number | undefined;
  /** Returns the size of the kernel's fd table. Every open fd is lower than this size. */
  end(): number;
  close(): void;
}

/**
 * Opens the fd table for the connections that are accepted on `address`. Throws if this process does not listen on `address`. Also
 * throws if the system is not Linux, or lacks SO_COOKIE or /proc.
 */
export function openFdTable(address: ListenAddress): FdTable {
  using undo = new DisposableStack();
  const { symbols: system, close } = openLibc({
    close: { args: ["i32"], returns: "i32" },
    eventfd: { args: ["u32", "i32"], returns: "i32" },
    getpeername: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
    shutdown: { args: ["i32", "i32"], returns: "i32" },
  });
  undo.defer(close);
  const status = openStatus();
  undo.defer(() => status.close());
  const [peer, local, listening] = [new SocketAddress(), new SocketAddress(), new SocketAddress()];
  // Bun may move a small typed array in memory, unless the array has an explicit ArrayBuffer. A pointer to a moved array is
  // invalid.
  const length = new Uint32Array(new ArrayBuffer(Uint32Array.BYTES_PER_ELEMENT));
  const identity = new Uint32Array(new ArrayBuffer(2 * Uint32Array.BYTES_PER_ELEMENT));
  // These pointers are computed once, because one scan of the fd table makes many system calls.
  const [peerAt, lengthAt, identityAt] = [ptr(peer.words), ptr(length), ptr(identity)];
  const readLocal = (fd: number, into: SocketAddress) => {
    length[0] = into.words.byteLength;
    return system.getsockname(fd, ptr(into.words), lengthAt) === 0;
  };
  const readIdentity = (fd: number) => {
    length[0] = identity.byteLength;
    return system.getsockopt(fd, SOL_SOCKET, SO_COOKIE, identityAt, lengthAt) === 0;
  };
  const listener = findListeningSockets(address).find((fd) => readLocal(fd, listening));
  if (listener === undefined) throw new Error("the listening socket is not found");
  if (!readIdentity(listener)) throw new Error("the kernel does not support SO_COOKIE");
  if (status.tableSize() === 0) throw new Error("/proc/self/status has no FDSize");
  const open = undo.move();
  return {
    identity,
    peer,
    readIdentity,
    readPeer(fd) {
      length[0] = peer.words.byteLength;
      return system.getpeername(fd, peerAt, lengthAt) === 0 && peer.wordCount > 0;
    },
    // Compares the port and the address, because another listener may use the same port on another address.
    isAccepted: (fd) =>
      readLocal(fd, local) && local.port === address.port && (listening.isAnyAddress || local.hasAddressOf(listening)),
    shutDown: (fd) => void system.shutdown(fd, SHUT_RDWR),
    lowestFree() {
      const fd = system.eventfd(0, EFD_CLOEXEC);
      if (fd < 0) return undefined;
      system.close(fd);
      return fd;
    },
    end: () => status.tableSize(),
    close: () => open.dispose(),
  };
}

/**
 * Opens /proc/self/status (proc_pid_status(5)). The file stays open, because it is also needed when the process cannot open
 * more files.
 */
function openStatus() {
  const fd = openSync("/proc/self/status", "r");
  const bytes = Buffer.alloc(STATUS_BYTES);
  return {
    /** Returns the size of the kernel's fd table (FDSize). The kernel enlarges the table when a higher fd is opened. */
    tableSize(): number {
      const text = bytes.toString("latin1", 0, readSync(fd, bytes, 0, bytes.byteLength, 0));
      return Number(/^FDSize:\s*(\d+)$/m.exec(text)?.[1] ?? 0);
    },
    close: () => closeSync(fd),
  };
}
