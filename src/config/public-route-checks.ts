import { PathPattern } from "../core/path-pattern.ts";
import { hasBody, KEY_FIELDS, type PublicRouteEntry, readFieldRule } from "../core/public-routes.ts";
import type { ValueProblem } from "./decoder.ts";

/** Returns the conflicts between the fields of one row. Call this only if each single field is valid. */
export function rowProblems(row: PublicRouteEntry): readonly ValueProblem[] {
  return [...variableProblems(row), ...fieldProblems(row), ...queryProblems(row), ...identityProblems(row)];
}

function variableProblems({ path, backend_path = path }: PublicRouteEntry): readonly ValueProblem[] {
  const own = new PathPattern(path).variables;
  const sent = new PathPattern(backend_path).variables;
  const strange = [...sent].filter((name) => !own.has(name));
  const lost = [...own].filter((name) => !sent.has(name));
  return [
    ...strange.map((name) => problem("backend_path", `has {${name}}, but path has no such variable`)),
    ...lost.map((name) => problem("backend_path", `lacks {${name}} of path, so its value would be lost`)),
  ];
}

function fieldProblems({ path, fields = {}, registers_key = false }: PublicRouteEntry): readonly ValueProblem[] {
  const { variables } = new PathPattern(path);
  const names = Object.keys(fields);
  const keyNames: readonly string[] = KEY_FIELDS;
  return [
    ...names
      .filter((name) => variables.has(name))
      .map((name) => problem("fields", `${name} is also a variable of path, expected only one of them`)),
    ...names
      .filter((name) => registers_key && keyNames.includes(name))
      .map((name) => problem("fields", `${name} belongs to registers_key, expected no entry for it`)),
  ];
}

/**
 * Returns the problems of fields that the method does not allow. A GET or DELETE sends its fields in the query, because a body
 * of such a call has no meaning (RFC 9110 9.3.1, 9.3.5).
 */
function queryProblems(row: PublicRouteEntry): readonly ValueProblem[] {
  const { method, fields = {}, registers_key = false, body_bytes_max, pass_headers = [] } = row;
  const caches = pass_headers.includes("cache-control") && method !== "GET";
  const problems = caches ? [problem("pass_headers", "has cache-control, expected it only with GET")] : [];
  if (hasBody(method)) return problems;
  if (registers_key) problems.push(problem("registers_key", `${method} has no body, expected POST, PUT or PATCH`));
  if (body_bytes_max !== undefined) problems.push(problem("body_bytes_max", `${method} has no body, expected no such field`));
  const structured = Object.entries(fields).filter(([, rule]) => ["metadata", "any"].includes(readFieldRule(rule).kind));
  return [
    ...problems,
    ...structured.map(([name]) => problem("fields", `${name} must be text, because ${method} sends it in the query`)),
  ];
}

function identityProblems({ path, method, fields, identity }: PublicRouteEntry): readonly ValueProblem[] {
  if (identity === undefined) return [];
  const { field } = identity;
  if (new PathPattern(path).variables.has(field)) return [];
  if (fields === undefined) {
    return hasBody(method) ? [] : [problem("identity", `${field} is neither in fields nor a variable of path`)];
  }
  const rule = fields[field];
  if (rule === undefined) return [problem("identity", `${field} is neither in fields nor a variable of path`)];
  const { kind, isOptional } = readFieldRule(rule);
  if (isOptional) return [problem("identity", `${field} is optional, expected a required field`)];
  return kind === "metadata" ? [problem("identity", `${field} is metadata, expected text`)] : [];
}

function problem(field: string, text: string): ValueProblem {
  return { at: [field], text };
}

/** A conflict between two rows. `index` is the position of the later row. */
export interface Conflict extends ValueProblem {
  readonly index: number;
}

/** Returns the conflicts between rows. Each conflict is reported at the later of its two rows. */
export function conflictProblems(rows: readonly PublicRouteEntry[]): readonly Conflict[] {
  return rows.flatMap((row, index) =>
    rows.slice(0, index).flatMap((earlier, at) => {
      const conflict = conflictOf(row, earlier);
      return conflict === undefined ? [] : [{ index, at: [conflict.field], text: `${conflict.text} public_routes[${at}]` }];
    }),
  );
}

/**
 * Returns the conflict between two rows, or `undefined`. Two rows may have the same path if their methods differ. Two different
 * paths must not match the same request path, because the order of the rows must not decide which row serves a call.
 */
function conflictOf(row: PublicRouteEntry, earlier: PublicRouteEntry): { field: string; text: string } | undefined {
  if (isTwin(row, earlier))
    return { field: "path", text: "expected a method and path that no other row has; they are also those of" };
  if (nameOf(row) === nameOf(earlier)) {
    const missing = "missing, expected one for each method of a path; the path is also that of";
    return { field: "name", text: row.path === earlier.path ? missing : "expected a unique name; it is also that of" };
  }
  if (row.path === earlier.path) return undefined;
  const overlaps = new PathPattern(row.path).overlaps(new PathPattern(earlier.path));
  return overlaps ? { field: "path", text: "matches paths that are also matched by" } : undefined;
}

function isTwin(row: PublicRouteEntry, earlier: PublicRouteEntry): boolean {
  return row.method === earlier.method && row.path === earlier.path;
}

/** Returns the problem of a row that allows larger responses than `backend.response_bytes_max`. */
export function answerSizeProblem(rows: readonly PublicRouteEntry[], bytesMax: number): string | undefined {
  const row = rows.find(({ response_bytes_max: own = 0 }) => own > bytesMax);
  if (row === undefined) return undefined;
  return `public_routes: response_bytes_max of row ${nameOf(row)} is ${row.response_bytes_max}, expected at most backend.response_bytes_max (${bytesMax})`;
}

/** Returns the problem of a row that can call the session look-up. The look-up returns user ids and keys, which are not public. */
export function sessionPathProblem(rows: readonly PublicRouteEntry[], sessionPath: string): string | undefined {
  const session = new PathPattern(sessionPath);
  const row = rows.find(({ path, backend_path = path }) => new PathPattern(backend_path).overlapsLeniently(session));
  if (row === undefined) return undefined;
  return `public_routes: backend_path of row ${nameOf(row)} can match backend.session_path, expected another path: everybody could look sessions up`;
}

function nameOf({ name, path }: PublicRouteEntry): string {
  return name ?? path;
}
