import { ptr } from "bun:ffi";
import { readdirSync } from "node:fs";
import { formatIp, parseIp } from "../../core/ip-address.ts";
import { formatAddress, type ListenAddress } from "../../core/listen.ts";
import { openLibc } from "./libc.ts";
import { SocketAddress } from "./socket-address.ts";

/** Constants of Linux, from asm-generic/socket.h. */
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;

/**
 * Returns the fds of the sockets of this process that listen on `address`. `host` must be the IP address to which the sockets are
 * bound, because another listener may use the same port on another IP address. Throws if there is no such socket, or if the system
 * is not Linux.
 */
export function findListeningSockets({ host, port }: ListenAddress): readonly number[] {
  const system = openSystem();
  const ip = canonicalIp(host);
  try {
    const isBound = (at: ListenAddress | undefined) => at?.port === port && canonicalIp(at.host) === ip;
    const listening = openFiles().filter((fd) => system.isListening(fd) && isBound(system.addressOf(fd)));
    if (listening.length === 0) throw new Error(`nothing listens on ${formatAddress({ host, port })}`);
    return listening;
  } finally {
    system.close();
  }
}

/** Returns the canonical text of an IP address, without the zone of a link-local address. Other texts are returned as they are. */
function canonicalIp(text: string): string {
  const ip = parseIp(text.replace(/%.*$/, ""));
  return ip === undefined ? text : formatIp(ip);
}

function openFiles(): readonly number[] {
  return readdirSync("/proc/self/fd").map(Number);
}

function openSystem() {
  const { symbols: system, close } = openLibc({
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  });
  const value = new Int32Array(1);
  const length = new Uint32Array(1);
  const local = new SocketAddress();
  return {
    isListening(fd: number): boolean {
      length[0] = value.byteLength;
      return system.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, ptr(value), ptr(length)) === 0 && value[0] === 1;
    },
    addressOf(fd: number): ListenAddress | undefined {
      length[0] = local.words.byteLength;
      const isRead = system.getsockname(fd, ptr(local.words), ptr(length)) === 0;
      return isRead ? { host: local.address, port: local.port } : undefined;
    },
    close,
  };
}
