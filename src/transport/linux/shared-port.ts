import { ptr } from "bun:ffi";
import type { ListenAddress } from "../../core/listen.ts";
import { openLibc } from "./libc.ts";
import { findListeningSockets } from "./listening-sockets.ts";

/** Constants of Linux, from asm-generic/socket.h and linux/eventfd.h. */
const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;
const EFD_CLOEXEC = 0o2000000;

/**
 * A port on which other processes of this user can listen too, if they also set SO_REUSEPORT.
 *
 * `stopAccepting` must work when the process can open no more files. So the constructor opens everything that it needs.
 */
export class SharedPort {
  readonly #system = openLibc({
    close: { args: ["i32"], returns: "i32" },
    dup3: { args: ["i32", "i32", "i32"], returns: "i32" },
    eventfd: { args: ["u32", "i32"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  });
  /** The fds of the listening sockets. */
  #fds: readonly number[] = [];
  /** The eventfd that replaces the listening sockets in `stopAccepting`; -1 if it is not open. */
  #inert = -1;

  /**
   * Sets SO_REUSEPORT on the listening sockets that are bound to the IP address and the port in `address`. Throws if no socket
   * listens on `address`, or if the option cannot be set.
   *
   * First open the port without SO_REUSEPORT, then create this object. The kernel shares a port only if all of its sockets have the
   * option. So opening the port fails if another process already uses the port.
   */
  constructor(address: ListenAddress) {
    try {
      this.#fds = findListeningSockets(address);
      for (const fd of this.#fds) this.#setReusePort(fd);
      this.#inert = this.#system.symbols.eventfd(0, EFD_CLOEXEC);
      if (this.#inert < 0) throw new Error("the process can open no more files");
    } catch (cause) {
      this.close();
      throw cause;
    }
  }

  /** Call this after the listening socket has moved to `fd`. */
  moved(fd: number): void {
    this.#fds = [fd];
  }

  /**
   * Closes the listening sockets, and leaves all accepted connections open. With net.ipv4.tcp_migrate_req, connections that are not
   * accepted yet move to other processes that listen on the port.
   *
   * The method `stop` of the `Bun.serve` server is not used, because it would also close idle connections. Instead, dup3(2) closes
   * the listening socket and makes its fd an fd of an eventfd. The server closes this fd when it stops later.
   */
  stopAccepting(): void {
    for (const fd of this.#fds) {
      if (this.#system.symbols.dup3(this.#inert, fd, EFD_CLOEXEC) < 0) throw new Error("the listening socket cannot be closed");
    }
    this.#fds = [];
  }

  /** Closes everything that the constructor opened. Does not close the port. */
  close(): void {
    if (this.#inert >= 0) this.#system.symbols.close(this.#inert);
    this.#inert = -1;
    this.#fds = [];
    this.#system.close();
  }

  #setReusePort(fd: number): void {
    const value = new Int32Array([1]);
    const result = this.#system.symbols.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, ptr(value), value.byteLength);
    if (result !== 0) throw new Error("SO_REUSEPORT cannot be set");
  }
}
