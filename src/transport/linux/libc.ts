import { dlopen, type FFIFunction } from "bun:ffi";

/** File names of the C library: first glibc, then musl. */
const LIBRARIES = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

/** Loads functions of the C library. Throws on systems other than Linux, because callers pass constants of Linux. */
export function openLibc<const Functions extends Record<string, FFIFunction>>(functions: Functions) {
  if (process.platform !== "linux") throw new Error(`only Linux is supported, not ${process.platform}`);
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, functions);
    } catch {
      // This library is not installed. The loop tries the next library.
    }
  }
  throw new Error(`no C library found (${LIBRARIES.join(", ")})`);
}
