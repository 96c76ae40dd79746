import { existsSync, writeFileSync } from "node:fs";
import { absolutePathShown, whyUnreadable } from "../core/file-problem.ts";
import { CommandFailure, EXIT } from "./exit-code.ts";

/** Writes a new file. Throws `CommandFailure` if the file already exists or cannot be written. */
export function writeNew(path: string, content: string): void {
  requireNew(path);
  try {
    writeFileSync(path, content, { flag: "wx" });
  } catch (cause) {
    throw new CommandFailure(EXIT.failed, `${absolutePathShown(path)}: cannot be written: ${whyUnreadable(cause)}`);
  }
}

/** Throws `CommandFailure` if the file exists. */
export function requireNew(path: string): void {
  if (!existsSync(path)) return;
  throw new CommandFailure(EXIT.failed, `${absolutePathShown(path)}: already exists, and is not overwritten`);
}
