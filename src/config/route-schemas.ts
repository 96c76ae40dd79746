import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { messageOf } from "../core/cause.ts";
import { pathShown, whyUnreadable } from "../core/file-problem.ts";
import type { FlatSchema } from "../core/flat-schema.ts";
import { SchemaFiles } from "../schema/schema-files.ts";
import { SchemaProblem } from "../schema/schema-problem.ts";
import { keyShown } from "./problem.ts";
import type { Config, ConfigKey } from "./schema.ts";
import { originOf, type RawSetting } from "./source.ts";

interface SchemaSources {
  /** The path of the configuration file. Its folder contains the schemas. `undefined`: the working directory contains them. */
  readonly file: string | undefined;
  readonly readFile: (path: string) => string;
  /** Returns the raw value of a setting and its source; `undefined` if the setting has its default. */
  readonly settingOf: (key: ConfigKey) => RawSetting | undefined;
}

interface SchemaRow {
  readonly schema?: string | undefined;
  readonly schema_document?: FlatSchema | undefined;
}

/** Returns `routes` and `public_routes` with the content of their schemas, and the problems of the schemas. */
export function readSchemas(
  config: Config,
  { file, readFile, settingOf }: SchemaSources,
): { readonly tables: Pick<Config, "routes" | "public_routes">; readonly problems: readonly string[] } {
  const folder = file === undefined ? "." : dirname(file);
  const files = new SchemaFiles({
    baseUri: config["backend.schema_base_uri"],
    readFile: (path) => readText(folder, path, readFile),
  });
  const problems: string[] = [];
  const read = <R extends SchemaRow>(key: ConfigKey, rows: readonly R[], nameOf: (row: R) => string): readonly R[] =>
    rows.map((row, index) => {
      if (row.schema === undefined || row.schema_document !== undefined) return row;
      try {
        return { ...row, schema_document: files.read(row.schema) };
      } catch (cause) {
        if (!(cause instanceof SchemaProblem)) throw cause;
        problems.push(`${placeOf(key, index, settingOf(key))}: ${nameOf(row)}: ${messageOf(cause)}`);
        return row;
      }
    });
  const routes = read("routes", config.routes, (route) => route.message_type);
  const publicRoutes = read("public_routes", config.public_routes, ({ name, path }) => `row ${name ?? path}`);
  return { tables: { routes, public_routes: publicRoutes }, problems };
}

function placeOf(key: ConfigKey, index: number, setting: RawSetting | undefined): string {
  const at = [index, "schema"];
  return keyShown(key, at) + (setting === undefined ? "" : ` (${originOf(setting, at)})`);
}

function readText(folder: string, path: string, readFile: (path: string) => string): string {
  const file = join(folder, path);
  try {
    requireInside(folder, file);
    return readFile(file);
  } catch (cause) {
    throw new Error(`${pathShown(file)}: cannot be read: ${whyUnreadable(cause)}`);
  }
}

/**
 * Throws if the file is outside of the folder. Symbolic links inside the folder are allowed, because volumes of Kubernetes use
 * them. Also throws for a FIFO or a device, because reading it could block the start.
 */
function requireInside(folder: string, file: string): void {
  if (!existsSync(file)) return;
  if (!statSync(file).isFile()) throw new Error("it is not a file");
  if (!realpathSync(file).startsWith(join(realpathSync(folder), sep)))
    throw new Error("it is a symbolic link that leads out of the folder of the configuration file");
}
