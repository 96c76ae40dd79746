import { openLibc } from "./libc.ts";

/** Constants of Linux, from sys/file.h. */
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Waits until this process has the exclusive lock on an open file (flock(2)). The lock ends when the file is closed or the
 * process is killed.
 */
export function lockFile(fd: number): void {
  const { symbols: system, close } = openLibc({ flock: { args: ["i32", "i32"], returns: "i32" } });
  try {
    if (system.flock(fd, LOCK_EX) !== 0) throw new Error("the file cannot be locked");
  } finally {
    close();
  }
}

/**
 * Takes the exclusive lock on an open file, without waiting (flock(2)). Returns `false` if flock(2) fails, for example because
 * another process holds the lock.
 */
export function tryLockFile(fd: number): boolean {
  const { symbols: system, close } = openLibc({ flock: { args: ["i32", "i32"], returns: "i32" } });
  try {
    return system.flock(fd, LOCK_EX | LOCK_NB) === 0;
  } finally {
    close();
  }
}
