import { openLibc } from "./libc.ts";

/** Constant of Linux, from linux/memfd.h. */
const MFD_CLOEXEC = 1;

/**
 * Creates an empty file in memory (memfd_create(2)). The file has no name and ends with the last process that has it open. So a
 * killed process leaves nothing behind.
 *
 * Unlike a file in `/dev/shm`, it has no limit of its own, and takes memory only for pages that were written. Throws if the
 * system has no such files.
 */
export function createSharedMemory(): number {
  const { symbols: system, close } = openLibc({ memfd_create: { args: ["cstring", "u32"], returns: "i32" } });
  try {
    const fd = system.memfd_create(Buffer.from("sallyport\0"), MFD_CLOEXEC);
    if (fd < 0) throw new Error("memfd_create failed");
    return fd;
  } finally {
    close();
  }
}
