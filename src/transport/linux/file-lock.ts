import { openLibc } from "./libc.ts";

/** Constants of Linux, from sys/file.h. */
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes the exclusive lock on an open file, without waiting (flock(2)). Returns `false` if flock(2) fails, for example because
 * another process holds a lock.
 *
 * The lock belongs to the open file. It ends when all processes that have the fd, or inherited it, have closed it or ended.
 */
export function tryLockFile(fd: number): boolean {
  return flock(fd, LOCK_EX | LOCK_NB);
}

/** Takes the shared lock instead, which several open files can have at the same time. See `tryLockFile`. */
export function tryShareFile(fd: number): boolean {
  return flock(fd, LOCK_SH | LOCK_NB);
}

function flock(fd: number, operation: number): boolean {
  const { symbols: system, close } = openLibc({ flock: { args: ["i32", "i32"], returns: "i32" } });
  try {
    return system.flock(fd, operation) === 0;
  } finally {
    close();
  }
}
