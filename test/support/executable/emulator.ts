import { existsSync } from "node:fs";

const EMULATOR = Bun.which("qemu-aarch64-static");
/** The C library for arm64, from Debian's cross compiler. */
const LIBRARIES = "/usr/aarch64-linux-gnu";

/** The reason to skip tests that run executables for arm64; `undefined` if they run here. */
export const NO_ARM64 =
  process.arch === "arm64" || (EMULATOR !== null && existsSync(`${LIBRARIES}/lib/ld-linux-aarch64.so.1`))
    ? undefined
    : "no arm64 (apt-get install qemu-user-static libc6-arm64-cross)";

/** The command that runs an executable for arm64 on this machine. */
export function runArm64(executable: string, ...args: readonly string[]): string[] {
  if (process.arch === "arm64") return [executable, ...args];
  return [EMULATOR ?? "qemu-aarch64-static", "-L", LIBRARIES, executable, ...args];
}
