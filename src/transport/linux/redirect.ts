import { openLibc } from "./libc.ts";

/** Makes the fd `to` refer to the open file of `from`, and closes `from` (dup2(2)). Throws if `from` is not open. */
export function redirectFd(from: number, to: number): void {
  const { symbols: system, close } = openLibc({
    close: { args: ["i32"], returns: "i32" },
    dup2: { args: ["i32", "i32"], returns: "i32" },
  });
  try {
    if (system.dup2(from, to) !== to) throw new Error(`fd ${from} is not open`);
    system.close(from);
  } finally {
    close();
  }
}
