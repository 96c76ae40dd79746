import { messageOf } from "./cause.ts";

/** What tells a path from a secret that was put in its place: a folder or an ending. */
const LOOKS_LIKE_A_PATH = /[/\\.]/;
const PATH_CHARS_MAX = 256;

/** A path as a message names it. */
export function pathShown(path: string): string {
  const isShown = LOOKS_LIKE_A_PATH.test(path) && path.length <= PATH_CHARS_MAX && !/[\p{C}\p{Zl}\p{Zp}]|:\/\/|@/u.test(path);
  return isShown ? path : "a file whose name is not shown";
}

/** Why a file cannot be read or written, without its path, which the system's message repeats. */
export function whyUnreadable(cause: unknown): string {
  const message = messageOf(cause);
  return message.replace(/,? \w+ '[\s\S]*$/, "");
}
