import { ptr } from "bun:ffi";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { formatAddress, type ListenAddress } from "../../core/listen.ts";
import { openLibc } from "./libc.ts";
import { findListeningSockets } from "./listening-sockets.ts";

/** Constants of Linux, from linux/eventpoll.h and linux/eventfd.h. */
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EFD_CLOEXEC = 0o2000000;

const EPOLL_LINK = "anon_inode:[eventpoll]";
/** A line of /proc/self/fdinfo/<epoll>: a watched fd, its events, and its epoll data. Events and data are hexadecimal. */
const WATCHED_FD = /^tfd:\s+(\d+) events:\s+([0-9a-f]+) data:\s+([0-9a-f]+)/gm;

/** Size of struct epoll_event, in bytes. The structure is packed on x86-64 only (epoll_ctl(2)). */
const EVENT_BYTES = process.arch === "x64" ? 12 : 16;
const DATA_OFFSET = process.arch === "x64" ? 4 : 8;

/** How an epoll instance watches one fd. */
interface Watch {
  readonly epoll: number;
  readonly events: number;
  readonly data: bigint;
}

/**
 * Gives the listening socket of one server to another server in this process. The first server listens on `from`, the second server
 * listens on `to`. Returns the new fd of the socket.
 *
 * - The socket stays open, so clients notice nothing. The second server accepts the connections that the first server has not
 *   accepted yet.
 * - The socket that the second server had before is closed, and so is the port in `to`.
 * - The first server keeps its accepted connections. Its listening fd becomes an fd of an eventfd. The first server closes this fd
 *   when it stops.
 *
 * Throws if a server does not have exactly one listening socket. Nothing is changed in this case.
 */
export function moveListeningSocket(from: ListenAddress, to: ListenAddress): number {
  const [fromFd, toFd] = [onlyListeningSocket(from), onlyListeningSocket(to)];
  const [fromWatch, toWatch] = [watchOf(fromFd), watchOf(toFd)];
  const { symbols: system, close } = openLibc({
    close: { args: ["i32"], returns: "i32" },
    dup3: { args: ["i32", "i32", "i32"], returns: "i32" },
    epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
    eventfd: { args: ["u32", "i32"], returns: "i32" },
  });
  const must = (result: number, call: string) => {
    if (result < 0) throw new Error(`the listening socket cannot be moved: ${call} failed`);
    return result;
  };
  using undo = new DisposableStack();
  undo.defer(close);
  const inert = must(system.eventfd(0, EFD_CLOEXEC), "eventfd");
  undo.defer(() => void system.close(inert));
  // An epoll instance watches a socket until all fds of the socket are closed. The socket gets another fd below, so the first
  // server must stop watching it here.
  must(system.epoll_ctl(fromWatch.epoll, EPOLL_CTL_DEL, fromFd, null), "epoll_ctl");
  must(system.dup3(fromFd, toFd, EFD_CLOEXEC), "dup3");
  must(system.epoll_ctl(toWatch.epoll, EPOLL_CTL_ADD, toFd, ptr(eventOf(toWatch))), "epoll_ctl");
  must(system.dup3(inert, fromFd, EFD_CLOEXEC), "dup3");
  return toFd;
}

function onlyListeningSocket(address: ListenAddress): number {
  const [fd, ...others] = findListeningSockets(address);
  if (fd === undefined || others.length > 0)
    throw new Error(`${others.length + 1} sockets listen on ${formatAddress(address)}`);
  return fd;
}

/** Returns how the runtime watches an fd (proc_pid_fdinfo(5)). Throws if no epoll instance watches the fd. */
function watchOf(fd: number): Watch {
  for (const epoll of epollFds()) {
    for (const [, watched, events = "", data] of readFileSync(`/proc/self/fdinfo/${epoll}`, "latin1").matchAll(WATCHED_FD)) {
      if (Number(watched) === fd) return { epoll, events: Number.parseInt(events, 16), data: BigInt(`0x${data}`) };
    }
  }
  throw new Error(`no epoll instance watches fd ${fd}`);
}

function epollFds(): number[] {
  const folder = "/proc/self/fd";
  const isEpoll = (name: string) => {
    try {
      return readlinkSync(join(folder, name)) === EPOLL_LINK;
    } catch {
      // `readdirSync` also lists the fd that it uses itself. This fd is closed by now.
      return false;
    }
  };
  return readdirSync(folder).filter(isEpoll).map(Number);
}

function eventOf({ events, data }: Watch): Uint8Array {
  const bytes = new Uint8Array(EVENT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, events, true);
  view.setBigUint64(DATA_OFFSET, data, true);
  return bytes;
}
