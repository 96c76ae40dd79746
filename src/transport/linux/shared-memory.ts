import { openLibc } from "./libc.ts";

/** Constant of Linux, from linux/memfd.h. */
const MFD_CLOEXEC = 1;

/**
 * Creates an empty file in memory (memfd_create(2)), and returns its fd. The file has no name. The kernel deletes it when no
 * process has it open any more. So a killed process leaves nothing behind.
 *
 * A file in `/dev/shm` would be limited by the size of that file system. A file in memory has no such limit, and takes memory only
 * for pages that were written. Throws if the system does not support memfd_create.
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
