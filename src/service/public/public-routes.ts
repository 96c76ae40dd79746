import type { EndpointSource, HttpEndpoint } from "../../core/http-endpoint.ts";
import { type PublicAuthParts, servePublicCall } from "./public-call.ts";
import type { PublicPath, PublicTable } from "./public-table.ts";
import { type RestLogParts, serveLogged } from "./rest-log.ts";

interface Served {
  readonly path: PublicPath;
  readonly endpoint: HttpEndpoint;
}

/** The endpoints of one `PublicTable`. In `exact`, their paths have no variables. In `patterns`, their paths have variables. */
interface ServedTable {
  readonly exact: ReadonlyMap<string, Served>;
  readonly patterns: readonly Served[];
}

/** Serves the public routes of the current table. A call in flight keeps the table that it started with. */
export class PublicRoutes implements EndpointSource {
  readonly #parts: PublicAuthParts & RestLogParts;
  #table: ServedTable;

  constructor(table: PublicTable, parts: PublicAuthParts & RestLogParts) {
    this.#parts = parts;
    this.#table = this.#served(table);
  }

  /** Replaces the table for all later calls. */
  adopt(table: PublicTable): void {
    this.#table = this.#served(table);
  }

  find(path: string): HttpEndpoint | undefined {
    const { exact, patterns } = this.#table;
    const found = exact.get(path) ?? patterns.find((each) => each.path.pattern.match(path) !== undefined);
    return found?.endpoint;
  }

  #served({ paths }: PublicTable): ServedTable {
    const all = paths.map((path) => ({ path, endpoint: this.#endpoint(path) }));
    const exact = all.filter(({ path }) => path.pattern.variables.size === 0);
    return {
      exact: new Map(exact.map((each) => [each.path.pattern.text, each])),
      patterns: all.filter(({ path }) => path.pattern.variables.size > 0),
    };
  }

  #endpoint(path: PublicPath): HttpEndpoint {
    const { text } = path.pattern;
    return {
      path: text,
      methods: path.methods,
      exposedHeaders: path.passHeaders,
      serve: (call) => {
        const row = path.row(call.request.method) ?? path.rows[0];
        const names = { path: text, label: row?.name ?? text };
        return serveLogged(names, call, () => servePublicCall(call, path, this.#parts), this.#parts);
      },
    };
  }
}
