import { renameSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "./cause.ts";
import type { Log } from "./telemetry.ts";

/**
 * Matches texts that contain a slash, a backslash or a dot, as nearly every path does. Any other text may be a secret that was
 * configured by mistake instead of a path.
 */
const LOOKS_LIKE_A_PATH = /[/\\.]/;
const PATH_CHARS_MAX = 256;

/**
 * Returns the text to show in an error message for this path: the path itself, or a neutral text if the path may be a secret.
 */
export function pathShown(path: string): string {
  const isShown = LOOKS_LIKE_A_PATH.test(path) && path.length <= PATH_CHARS_MAX && !/[\p{C}\p{Zl}\p{Zp}]|:\/\/|@/u.test(path);
  return isShown ? path : "a file whose name is not shown";
}

/**
 * Renames a file that the gateway would overwrite although another program wrote it. Its new name ends with `.foreign`. A file with
 * this name is replaced. Logs a warning. `setting`: the setting that contains the path.
 */
export function setAside(path: string, setting: string, log: Pick<Log, "warn">): void {
  renameSync(path, `${path}.foreign`);
  log.warn("file of another program set aside", { setting, file: pathShown(path), kept_as: pathShown(`${path}.foreign`) });
}

/** Returns the absolute path for an error message, or a neutral text if the path may be a secret. */
export function absolutePathShown(path: string): string {
  return pathShown(path) === path ? pathShown(resolve(path)) : pathShown(path);
}

/** Returns why a file cannot be read or written: the system's message without the file's path. */
export function whyUnreadable(cause: unknown): string {
  const message = messageOf(cause);
  return message.replace(/,? \w+ '[\s\S]*$/, "");
}
