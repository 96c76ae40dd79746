import { messageOf } from "./cause.ts";

/** Matches texts with a folder or an extension. Any other text may be a secret that was configured by mistake instead of a path. */
const LOOKS_LIKE_A_PATH = /[/\\.]/;
const PATH_CHARS_MAX = 256;

/** Returns a path for a message. If the path may be a secret, returns a neutral text instead. */
export function pathShown(path: string): string {
  const isShown = LOOKS_LIKE_A_PATH.test(path) && path.length <= PATH_CHARS_MAX && !/[\p{C}\p{Zl}\p{Zp}]|:\/\/|@/u.test(path);
  return isShown ? path : "a file whose name is not shown";
}

/** Returns why a file cannot be read or written: the system's message without the file's path. */
export function whyUnreadable(cause: unknown): string {
  const message = messageOf(cause);
  return message.replace(/,? \w+ '[\s\S]*$/, "");
}
