import { ptr } from "bun:ffi";
import { closeSync, openSync, readSync } from "node:fs";
import { openLibc } from "./libc.ts";
import { findListeningSockets } from "./listening-sockets.ts";
import { SocketAddress } from "./socket-address.ts";

/** Linux constants (asm-generic/fcntl.h, linux/eventfd.h, bits/socket.h, asm-generic/socket.h). */
const EFD_CLOEXEC = 0o2000000;
const SHUT_RDWR = 2;
const SOL_SOCKET = 1;
const SO_COOKIE = 57;

/** FDSize is among the first lines of the status file. */
const STATUS_BYTES = 1024;

/** The file descriptors of this process. Tells which are connections accepted on one port, and their peers. */
export interface FdTable {
  /** SO_COOKIE of the socket that `readIdentity` read last. The kernel never reuses one. */
  readonly identity: Uint32Array;
  /** The peer that `readPeer` read last. */
  readonly peer: SocketAddress;
  /** Reads the identity of a socket. False if the fd is not open or not a socket. */
  readIdentity(fd: number): boolean;
  /** Reads the peer of a connection. False if the fd is not open or not an IP connection. */
  readPeer(fd: number): boolean;
  /** Whether the connection was accepted on the port. */
  isAccepted(fd: number): boolean;
  /** shutdown(2). The socket's owner sees that the peer disconnected, and closes the fd. */
  shutDown(fd: number): void;
  /** The lowest free fd. `undefined` if the process has reached its limit of open files. */
  lowestFree(): number | undefined;
  /** The size of the table: every open fd is lower. */
  end(): number;
  close(): void;
}

/** Opens the table for the connections of a port on which this process listens. Throws if the system does not support it. */
export function openFdTable(port: number): FdTable {
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
  // With an explicit ArrayBuffer: Bun may move a small typed array that has none, and the pointer would dangle.
  const length = new Uint32Array(new ArrayBuffer(Uint32Array.BYTES_PER_ELEMENT));
  const identity = new Uint32Array(new ArrayBuffer(2 * Uint32Array.BYTES_PER_ELEMENT));
  // Pointers are computed once: a sweep makes thousands of calls.
  const [peerAt, lengthAt, identityAt] = [ptr(peer.words), ptr(length), ptr(identity)];
  const readLocal = (fd: number, into: SocketAddress) => {
    length[0] = into.words.byteLength;
    return system.getsockname(fd, ptr(into.words), lengthAt) === 0;
  };
  const readIdentity = (fd: number) => {
    length[0] = identity.byteLength;
    return system.getsockopt(fd, SOL_SOCKET, SO_COOKIE, identityAt, lengthAt) === 0;
  };
  const listener = findListeningSockets(port).find((fd) => readLocal(fd, listening));
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
    // Another listener may use the same port on another address.
    isAccepted: (fd) =>
      readLocal(fd, local) && local.port === port && (listening.isAnyAddress || local.hasAddressOf(listening)),
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

/** /proc/self/status (proc_pid_status(5)). Kept open: it is needed most when the process can open no more files. */
function openStatus() {
  const fd = openSync("/proc/self/status", "r");
  const bytes = Buffer.alloc(STATUS_BYTES);
  return {
    /** The number of fds for which the kernel's table has room. It grows with the highest open fd. */
    tableSize(): number {
      const text = bytes.toString("latin1", 0, readSync(fd, bytes, 0, bytes.byteLength, 0));
      return Number(/^FDSize:\s*(\d+)$/m.exec(text)?.[1] ?? 0);
    },
    close: () => closeSync(fd),
  };
}
