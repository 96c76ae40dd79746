import { messageOf } from "./cause.ts";

/** A path has a folder or an extension. Anything else may be a secret that was given in place of a path. */
const LOOKS_LIKE_A_PATH = /[/\\.]/;
const PATH_CHARS_MAX = 256;

/** A path for a message; hidden if it may be a secret. */
export function pathShown(path: string): string {
  const isShown = LOOKS_LIKE_A_PATH.test(path) && path.length <= PATH_CHARS_MAX && !/[\p{C}\p{Zl}\p{Zp}]|:\/\/|@/u.test(path);
  return isShown ? path : "a file whose name is not shown";
}

/** Why a file cannot be read or written, without its path, which the system's message contains. */
export function whyUnreadable(cause: unknown): string {
  const message = messageOf(cause);
  return message.replace(/,? \w+ '[\s\S]*$/, "");
}
