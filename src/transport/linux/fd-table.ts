import { ptr } from "bun:ffi";
import { closeSync, openSync, readSync } from "node:fs";
import { openLibc } from "./libc.ts";
import { findListeningSockets } from "./listening-sockets.ts";
import { SocketAddress } from "./socket-address.ts";

/** Linux's own numbers (asm-generic/fcntl.h, linux/eventfd.h, bits/socket.h, asm-generic/socket.h). */
const EFD_CLOEXEC = 0o2000000;
const SHUT_RDWR = 2;
const SOL_SOCKET = 1;
const SO_COOKIE = 57;

/** What is asked for is among the first lines. */
const STATUS_BYTES = 1024;

/** The files of this process, looked at from the inside: which are connections that came in on one port, and from where. */
export interface FdTable {
  /** Of the socket that was looked at last: no other has had it, nor will. */
  readonly identity: Uint32Array;
  /** The peer that was read last. */
  readonly peer: SocketAddress;
  /** Reads the identity of a socket; false where the file is none, or is not open. */
  readIdentity(fd: number): boolean;
  /** Reads the peer of a connection; false where the file is none over IP, or is not open. */
  readPeer(fd: number): boolean;
  /** Whether this connection came in on the port. */
  isAccepted(fd: number): boolean;
  /** Ends a connection. Whose file it is sees that its peer is gone, and closes it. */
  shutDown(fd: number): void;
  /** The lowest file descriptor that is free: all below are open. `undefined` where the process may open no more. */
  lowestFree(): number | undefined;
  /** No file descriptor is as high as this, for now. */
  end(): number;
  close(): void;
}

/** For the connections that come in on a port that is listened on. Throws where the system cannot be asked. */
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
  // Over buffers of their own: Bun may move a small array that has none, away from under the pointer.
  const length = new Uint32Array(new ArrayBuffer(Uint32Array.BYTES_PER_ELEMENT));
  const identity = new Uint32Array(new ArrayBuffer(2 * Uint32Array.BYTES_PER_ELEMENT));
  // Once for all: there are thousands to look at.
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
  if (listener === undefined) throw new Error("the system does not say what is listened on");
  if (!readIdentity(listener)) throw new Error("the system does not tell sockets apart (SO_COOKIE)");
  if (status.tableSize() === 0) throw new Error("the system does not say how many files are open");
  const open = undo.move();
  return {
    identity,
    peer,
    readIdentity,
    readPeer(fd) {
      length[0] = peer.words.byteLength;
      return system.getpeername(fd, peerAt, lengthAt) === 0 && peer.wordCount > 0;
    },
    // Another listener may have the same port at another address.
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

/** The process's own status (proc_pid_status(5)), kept open: where the process may open no more files, it is needed most. */
function openStatus() {
  const fd = openSync("/proc/self/status", "r");
  const bytes = Buffer.alloc(STATUS_BYTES);
  return {
    /** For how many files there is room; it grows with the highest. */
    tableSize(): number {
      const text = bytes.toString("latin1", 0, readSync(fd, bytes, 0, bytes.byteLength, 0));
      return Number(/^FDSize:\s*(\d+)$/m.exec(text)?.[1] ?? 0);
    },
    close: () => closeSync(fd),
  };
}
