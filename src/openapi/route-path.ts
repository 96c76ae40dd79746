import { isIdentifier } from "../core/path-grammar.ts";
import { NotExpressible } from "./document.ts";

/** Matches a segment that is a variable. In the last segment of a path, a verb may follow the variable, such as `{id}:cancel`. */
const VARIABLE = /^\{([^{}]+)\}(:[^{}]+)?$/;

export interface PathNames {
  /** Names of fields that go to the query or the body. A path variable with one of these names gets another name. */
  readonly taken: ReadonlySet<string>;
  /** Names of variables whose value can have several segments. */
  readonly deep: ReadonlySet<string>;
}

/** The path of a route, and the differences between its variables and the variables of the OpenAPI path. */
export interface RoutePath {
  readonly path: string;
  /** Maps the name of a variable in the OpenAPI path to the name of its payload field, if the names differ. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Payload fields whose value can have several path segments in the OpenAPI path, but only one in the route. */
  readonly single: readonly string[];
}

/** Returns the names of the variables of an OpenAPI path. */
export function variableNames(path: string): string[] {
  return [...path.matchAll(/\{([^{}]+)\}/g)].map(([, name = ""]) => name);
}

/** Converts an OpenAPI path to the path template of a route. Throws `NotExpressible` if no route can have such a path. */
export function routePath(path: string, names: PathNames): RoutePath {
  if (!path.startsWith("/")) throw new NotExpressible("its path does not start with a slash");
  if (/[?#]/.test(path)) throw new NotExpressible("its path contains a query or a fragment");
  const renamed = new Map<string, string>();
  const single: string[] = [];
  const used = new Set(names.taken);
  const segments = path.slice(1).split("/");
  const converted = segments.map((segment, index) => {
    if (!/[{}]/.test(segment)) return segment;
    const [, name, verb = ""] = VARIABLE.exec(segment) ?? [];
    const isLast = index === segments.length - 1;
    if (name === undefined || (verb !== "" && !isLast)) {
      throw new NotExpressible("a segment of its path mixes text and a variable, and a variable of a route is a whole segment");
    }
    const field = unusedName(name, used, "path");
    used.add(field);
    if (field !== name) renamed.set(name, field);
    const isDeep = isLast && verb === "" && names.deep.has(name);
    if (names.deep.has(name) && !isDeep) single.push(field);
    return `{${field}${isDeep ? "=**" : ""}}${verb}`;
  });
  return { path: `/${converted.join("/")}`, renamed, single };
}

/** Returns an unused name for a field of the payload: `name` if possible, otherwise `name` with `prefix`. */
export function unusedName(name: string, used: ReadonlySet<string>, prefix: string): string {
  const cleaned = name.replace(/[^A-Za-z0-9_]+/g, "_");
  const plain = isIdentifier(cleaned) ? cleaned : `_${cleaned}`;
  for (let count = 0; ; count++) {
    const candidate = count === 0 ? plain : `${prefix}_${plain}${count === 1 ? "" : `_${count}`}`;
    if (!used.has(candidate)) return candidate;
  }
}
