import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { messageOf } from "../core/cause.ts";
import { pathShown, whyUnreadable } from "../core/file-problem.ts";
import { SchemaFiles } from "../schema/schema-files.ts";
import { SchemaProblem } from "../schema/schema-problem.ts";
import type { RouteConfig } from "./route-config.ts";
import type { Config } from "./schema.ts";
import { originOf, type RawSetting } from "./source.ts";
import { keyShown } from "./value-path.ts";

interface SchemaSources {
  /** The path of the configuration file, whose folder has the schemas. Without one, it is the working directory. */
  readonly file: string | undefined;
  readonly readFile: (path: string) => string;
  /** The source of the setting `routes`. */
  readonly setting: RawSetting | undefined;
}

/** Returns the routes with the content of their schemas, and the problems of the schemas. */
export function withSchemas(
  config: Config,
  { file, readFile, setting }: SchemaSources,
): { readonly routes: readonly RouteConfig[]; readonly problems: readonly string[] } {
  const folder = file === undefined ? "." : dirname(file);
  const files = new SchemaFiles({
    baseUri: config["backend.schema_base_uri"],
    readFile: (path) => readText(folder, path, readFile),
  });
  const problems: string[] = [];
  const routes = config.routes.map((route, index) => {
    if (route.schema === undefined || route.schema_document !== undefined) return route;
    try {
      return { ...route, schema_document: files.read(route.schema) };
    } catch (cause) {
      if (!(cause instanceof SchemaProblem)) throw cause;
      const at = [index, "schema"];
      const origin = setting === undefined ? "" : ` (${originOf(setting, at)})`;
      problems.push(`${keyShown("routes", at)}${origin}: ${route.message_type}: ${messageOf(cause)}`);
      return route;
    }
  });
  return { routes, problems };
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

/** A symbolic link may stay inside the folder, as in a volume of Kubernetes. A FIFO or a device could block the start. */
function requireInside(folder: string, file: string): void {
  if (!existsSync(file)) return;
  if (!statSync(file).isFile()) throw new Error("it is not a file");
  if (!realpathSync(file).startsWith(join(realpathSync(folder), sep)))
    throw new Error("it is a symbolic link that leads out of the folder of the configuration file");
}
