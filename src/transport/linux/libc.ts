import { dlopen, type FFIFunction } from "bun:ffi";

/** glibc's, and musl's. */
const LIBRARIES = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

/** Opens the system's C library for some functions of it. Throws where that is not Linux's: the numbers of others are not the same. */
export function openLibc<const Functions extends Record<string, FFIFunction>>(functions: Functions) {
  if (process.platform !== "linux") throw new Error(`this takes Linux, and not ${process.platform}`);
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, functions);
    } catch {
      // The other one, then.
    }
  }
  throw new Error(`there is none of ${LIBRARIES.join(", ")}`);
}
