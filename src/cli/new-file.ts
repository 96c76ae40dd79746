import { existsSync, writeFileSync } from "node:fs";
import { errorCode } from "../core/cause.ts";
import { absolutePathShown, whyUnreadable } from "../core/file-problem.ts";
import { CommandFailure, EXIT } from "./exit-code.ts";

/** Writes a new file. Throws `CommandFailure` if the file already exists or cannot be written. */
export function writeNew(path: string, content: string): void {
  try {
    writeFileSync(path, content, { flag: "wx" });
  } catch (cause) {
    if (errorCode(cause) === "EEXIST") throw alreadyExists(path);
    throw new CommandFailure(EXIT.failed, `${absolutePathShown(path)}: cannot be written: ${whyUnreadable(cause)}`);
  }
}

/** Throws `CommandFailure` if the file exists. A symbolic link whose target is missing does not count as a file. */
export function requireNew(path: string): void {
  if (existsSync(path)) throw alreadyExists(path);
}

function alreadyExists(path: string): CommandFailure {
  return new CommandFailure(EXIT.failed, `${absolutePathShown(path)}: already exists, and is not overwritten`);
}
