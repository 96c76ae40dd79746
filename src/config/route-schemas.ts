import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { messageOf } from "../core/cause.ts";
import { pathShown, whyUnreadable } from "../core/file-problem.ts";
import type { FlatSchema } from "../core/flat-schema.ts";
import type { Steps } from "../core/slices.ts";
import { PayloadSchema } from "../schema/payload-schema.ts";
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

interface ReadTables {
  readonly tables: Pick<Config, "routes" | "public_routes">;
  readonly problems: readonly string[];
}

/**
 * Returns `routes` and `public_routes` with the content of their schemas, and the problems of the schemas. Can pause after each
 * row.
 */
export function* readSchemas(config: Config, { file, readFile, settingOf }: SchemaSources): Steps<ReadTables> {
  const folder = file === undefined ? "." : dirname(file);
  const files = new SchemaFiles({
    baseUri: config["backend.schema_base_uri"],
    readFile: (path) => readText(folder, path, readFile),
  });
  const problems: string[] = [];
  const withSchema = <R extends SchemaRow>(row: R, placeOfRow: () => string): R => {
    if (row.schema === undefined || row.schema_document !== undefined) return row;
    try {
      return { ...row, schema_document: files.read(row.schema) };
    } catch (cause) {
      if (!(cause instanceof SchemaProblem)) throw cause;
      problems.push(`${placeOfRow()}: ${messageOf(cause)}`);
      return row;
    }
  };
  function* read<R extends SchemaRow>(key: ConfigKey, rows: readonly R[], nameOf: (row: R) => string): Steps<readonly R[]> {
    const result: R[] = [];
    for (const [index, row] of rows.entries()) {
      result.push(withSchema(row, () => `${placeOf(key, index, settingOf(key))}: ${nameOf(row)}`));
      yield;
    }
    return result;
  }
  const routes = yield* read("routes", config.routes, (route) => route.message_type);
  const publicRoutes = yield* read("public_routes", config.public_routes, ({ name, path }) => `row ${name ?? path}`);
  return { tables: { routes, public_routes: publicRoutes }, problems };
}

/**
 * Compiles the schemas of a configuration that another process has read. Compiled schemas with the same text are used again. Can
 * pause after each schema.
 */
export function* compileSchemas({ routes, public_routes }: Pick<Config, "routes" | "public_routes">): Steps<void> {
  for (const { schema_document: schema } of [...routes, ...public_routes]) {
    if (schema !== undefined) PayloadSchema.of(schema);
    yield;
  }
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
