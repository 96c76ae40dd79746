import { PathPattern, type PathValues } from "../../core/path-pattern.ts";
import type { PublicRouteEntry } from "../../core/public-routes.ts";
import type { DeviceKeyRules } from "./fields/device-key-check.ts";
import { compileRow, type PublicRow } from "./public-row.ts";

/** The rows of one path, one for each method. */
export class PublicPath {
  readonly pattern: PathPattern;
  readonly rows: readonly PublicRow[];
  /** The methods of the path. GET includes HEAD (RFC 9110 9.3.2). */
  readonly methods: readonly string[];
  /** Names of all headers that the rows pass from the backend to the client. */
  readonly passHeaders: readonly string[];

  constructor(pattern: PathPattern, rows: readonly PublicRow[]) {
    this.pattern = pattern;
    this.rows = rows;
    this.methods = rows.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]));
    this.passHeaders = [...new Set(rows.flatMap(({ answer }) => answer.headers))];
  }

  row(method: string): PublicRow | undefined {
    const served = method === "HEAD" ? "GET" : method;
    return this.rows.find((row) => row.method === served);
  }

  /** Returns the values of the path's variables. `path` is the path as received, and must match `pattern`. */
  values(path: string): PathValues {
    return this.pattern.match(path) ?? new Map();
  }
}

/** The public routes of one configuration. The table never changes, because a reload builds another table. */
export class PublicTable {
  readonly paths: readonly PublicPath[];

  /** Throws a TypeError if the path of a row is invalid. */
  constructor(entries: readonly PublicRouteEntry[], keyRules: DeviceKeyRules) {
    const rows = entries.map((entry) => compileRow(entry, keyRules));
    const byPath = Map.groupBy(rows, ({ path }) => path.text);
    this.paths = [...byPath].map(([text, group]) => new PublicPath(new PathPattern(text), group));
  }
}
