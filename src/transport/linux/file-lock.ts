import { openLibc } from "./libc.ts";

/** A constant of Linux, from sys/file.h. */
const LOCK_EX = 2;

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
