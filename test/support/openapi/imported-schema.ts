import { routesToml } from "../../../src/cli/routes-toml.ts";
import { resolveConfig } from "../../../src/config/load.ts";
import { OpenApiDocument } from "../../../src/openapi/document.ts";
import { type ImportedRoute, importRoutes } from "../../../src/openapi/import.ts";
import type { Loss } from "../../../src/openapi/schemas/losses.ts";
import { PayloadSchema, type Violation } from "../../../src/schema/payload-schema.ts";

/** Imports a document with schemas. Throws an error unless a gateway accepts the configuration with all its schemas. */
export function importWithSchemas(document: object | string): readonly LoadedRoute[] {
  const text = typeof document === "string" ? document : JSON.stringify(document);
  const { routes, leftOut } = importRoutes(new OpenApiDocument(text), { schemaPrefix: "schemas/" });
  const toml = routesToml({ routes, leftOut }, { file: "openapi.json", origin: "" });
  const files = new Map(routes.flatMap(({ schema }) => (schema === undefined ? [] : [[`./${schema.path}`, schema.text]])));
  const readFile = (path: string) => {
    if (path === "r.toml") return toml;
    const text = files.get(path) ?? files.get(`./${path}`);
    if (text === undefined) throw new Error(`ENOENT: ${path}`);
    return text;
  };
  const { config, problems } = resolveConfig({ argv: ["--config", "r.toml"], env: {}, readFile });
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return routes.map((route, index) => {
    const compiled = config.routes[index]?.schema_document;
    if ((compiled === undefined) !== (route.schema === undefined)) throw new Error("the route has lost its schema");
    return new LoadedRoute(route, compiled === undefined ? undefined : PayloadSchema.of(compiled));
  });
}

/** An imported route, with the schema as a gateway has read it. */
export class LoadedRoute {
  readonly route: ImportedRoute;
  readonly #compiled: PayloadSchema | undefined;

  constructor(route: ImportedRoute, compiled: PayloadSchema | undefined) {
    this.route = route;
    this.#compiled = compiled;
  }

  /** The file of the schema. */
  get schema(): Readonly<Record<string, unknown>> {
    return JSON.parse(this.route.schema?.text ?? "{}");
  }

  get losses(): readonly Loss[] {
    return this.route.losses;
  }

  /** Returns why a gateway refuses a payload, as `keyword pointer`, or `ok`. */
  check(payload: unknown): string {
    const violation: Violation | undefined = this.#compiled?.violationOf(JSON.stringify(payload));
    return violation === undefined ? "ok" : `${violation.keyword} ${violation.pointer}`;
  }
}
