import { mkdirSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { schemaFile } from "../config/routes.ts";
import { absolutePathShown, whyUnreadable } from "../core/file-problem.ts";
import { MESSAGE_TYPE_MAX } from "../core/grammar.ts";
import type { SchemaFile } from "../openapi/import.ts";
import { UsageError } from "./arguments/parse.ts";
import { CommandFailure, EXIT } from "./exit-code.ts";
import { requireNew, writeNew } from "./new-file.ts";

/**
 * The folder for the schemas of imported routes. It must be inside the folder of the configuration file, because a gateway reads no
 * other schemas. A route names its schema by the path relative to the folder of the configuration file.
 */
export class SchemaFolder {
  /** The path from the folder of the configuration file to this folder, such as `schemas/`. */
  readonly prefix: string;
  readonly #configFolder: string;

  /**
   * `out` is the path of the configuration file. If `out` is `undefined`, the configuration file is expected in the working
   * directory. Throws `UsageError` if `folder` is not inside the folder of the configuration file.
   */
  constructor(folder: string, out: string | undefined) {
    this.#configFolder = out === undefined ? resolve(".") : dirname(resolve(out));
    const path = relative(this.#configFolder, resolve(folder)).split(sep).join("/");
    this.prefix = path === "" ? "" : `${path}/`;
    const isInside = !isAbsolute(path) && schemaFile.decode(`${this.prefix}${"x".repeat(MESSAGE_TYPE_MAX)}.json`).ok;
    if (!isInside) throw new UsageError("--schemas is a folder below the folder of the configuration file");
  }

  /** Throws `CommandFailure` if one of the files exists. */
  requireNew(files: readonly SchemaFile[]): void {
    for (const { path } of files) requireNew(join(this.#configFolder, path));
  }

  /** Creates the folder and writes the files. Throws `CommandFailure` if a file exists or cannot be written. */
  write(files: readonly SchemaFile[]): void {
    const folder = join(this.#configFolder, this.prefix);
    try {
      mkdirSync(folder, { recursive: true });
      if (!join(realpathSync(folder), sep).startsWith(join(realpathSync(this.#configFolder), sep)))
        throw new Error("it is a symbolic link that leads out of the folder of the configuration file");
    } catch (cause) {
      throw new CommandFailure(EXIT.failed, `${absolutePathShown(folder)}: cannot be written: ${whyUnreadable(cause)}`);
    }
    for (const { path, text } of files) writeNew(join(this.#configFolder, path), text);
  }
}
