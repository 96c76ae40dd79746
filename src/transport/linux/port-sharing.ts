import { ptr } from "bun:ffi";
import { openLibc } from "./libc.ts";
import { findListeningSockets } from "./listening-sockets.ts";

/** Constants of Linux, from asm-generic/socket.h and linux/eventfd.h. */
const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;
const EFD_CLOEXEC = 0o2000000;

/**
 * Sets SO_REUSEPORT on the listening sockets of a port. Other processes of this user can then listen on the port too, if they also
 * set SO_REUSEPORT. Throws if the option cannot be set.
 *
 * Call this function after the port is opened without the option. Opening the port then fails if another process already uses the
 * port. The reason is that the kernel shares a port only if all of its sockets have the option.
 */
export function sharePort(port: number): void {
  const { symbols: system, close } = openLibc({
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  });
  const value = new Int32Array([1]);
  try {
    for (const fd of findListeningSockets(port)) {
      const result = system.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, ptr(value), value.byteLength);
      if (result !== 0) throw new Error("SO_REUSEPORT cannot be set");
    }
  } finally {
    close();
  }
}

/**
 * Closes the listening sockets of a port, and leaves all accepted connections open. With net.ipv4.tcp_migrate_req, connections that
 * are not accepted yet move to other processes that listen on the port. Throws if nothing listens on the port.
 *
 * The stop of `Bun.serve` is not used, because it would also close idle connections. Instead, an eventfd replaces each listening
 * socket under the same descriptor (dup3(2)). The server closes the eventfd when it stops later.
 */
export function stopAccepting(port: number): void {
  const { symbols: system, close } = openLibc({
    close: { args: ["i32"], returns: "i32" },
    dup3: { args: ["i32", "i32", "i32"], returns: "i32" },
    eventfd: { args: ["u32", "i32"], returns: "i32" },
  });
  try {
    for (const fd of findListeningSockets(port)) {
      const inert = system.eventfd(0, EFD_CLOEXEC);
      const result = inert < 0 ? -1 : system.dup3(inert, fd, EFD_CLOEXEC);
      if (inert >= 0) system.close(inert);
      if (result < 0) throw new Error("the listening socket cannot be closed");
    }
  } finally {
    close();
  }
}
