import { ptr } from "bun:ffi";
import { openLibc } from "./libc.ts";

/** Constants of Linux, from bits/socket.h, bits/socket_type.h and sys/un.h. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const PATH_BYTES_MAX = 108;
const FAMILY_BYTES = 2;

/** Sends datagrams to a Unix socket. Bun supports no datagrams on Unix sockets. */
export interface NotifySocket {
  /** Sends one datagram. Returns `false` if the receiver does not accept it. Never waits. */
  send(text: string): boolean;
  close(): void;
}

/**
 * Opens a socket for datagrams to `address`: the path of a Unix socket, or `@` and a name in the abstract namespace. Throws if the
 * address is not valid or the system is not Linux.
 */
export function openNotifySocket(address: string): NotifySocket {
  const target = socketAddress(address);
  const { symbols: system, close } = openLibc({
    close: { args: ["i32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  });
  const fd = system.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    close();
    throw new Error("a Unix socket cannot be opened");
  }
  return {
    send(text) {
      const bytes = Buffer.from(text);
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      const sent = system.sendto(fd, ptr(bytes), bytes.byteLength, flags, ptr(target), target.byteLength);
      return Number(sent) === bytes.byteLength;
    },
    close() {
      system.close(fd);
      close();
    },
  };
}

/** Returns a struct sockaddr_un (unix(7)) without a final zero byte. A name in the abstract namespace starts with a zero byte. */
function socketAddress(address: string): Uint8Array {
  const path = Buffer.from(address.startsWith("@") ? `\0${address.slice(1)}` : address);
  if (!/^[@/]./.test(address) || path.byteLength >= PATH_BYTES_MAX || address.includes("\0"))
    throw new Error("the address of a Unix socket must be a short absolute path, or @ and a name");
  // Bun does not move a typed array with an explicit ArrayBuffer, so pointers to the array stay valid.
  const bytes = new Uint8Array(new ArrayBuffer(FAMILY_BYTES + path.byteLength));
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(path, FAMILY_BYTES);
  return bytes;
}
