import { isHeaderName, isPassableHeader } from "../core/pass-headers.ts";
import { FIELD_NAME } from "../core/path-grammar.ts";
import { PathPattern } from "../core/path-pattern.ts";
import {
  EXTRA_STATUSES,
  type ExtraStatus,
  FIELD_KINDS,
  type FieldRule,
  IDENTITY_BUDGETS,
  IDENTITY_KINDS,
  PUBLIC_CLASSES,
  PUBLIC_METHODS,
  type PublicRouteEntry,
  type RowBudget,
  type RowIdentity,
} from "../core/public-routes.ts";
import { type Decoder, decoder, isObject, list, optional, record, rejected, type ValueProblem } from "./decoder.ts";
import { pathPattern } from "./path-pattern.ts";
import { redactedValue } from "./problem.ts";
import { conflictProblems, rowProblems } from "./public-route-checks.ts";
import { BURST_MAX, RATE_MAX, schemaFile, TIMEOUT_MS_MAX } from "./routes.ts";
import { boolean, choice, int, positive } from "./values.ts";

const ROWS_MAX = 100;
const FIELDS_MAX = 64;
const HEADERS_MAX = 16;
export const ROW_BODY_BYTES_MAX = 64 * 1024;

/** Matches the name of a row. It rejects upper-case letters, so that no two names differ only in case. */
const NAME = /^[a-z][a-z0-9_.-]{0,39}$/;
/**
 * Names of the shared budgets and of the failure budget. A row must not have one of these names, because the RateLimit header
 * fields identify a budget by its name.
 */
const TAKEN: ReadonlySet<string> = new Set([...PUBLIC_CLASSES, ...IDENTITY_BUDGETS, "failures"]);
/** First segments that no row may use. The gateway serves such paths itself, or operators expect them on the admin listener. */
const OWN_SEGMENTS: ReadonlySet<string> = new Set(["healthz", "metrics", "playground", "readyz", "revoke", "streams"]);
const OWN_PATHS = [...OWN_SEGMENTS].map((segment) => `/${segment}`).join(", ");

const budget = record<RowBudget>(
  { rate: positive("tokens a second", RATE_MAX), burst: int("tokens", 1, BURST_MAX), shadow: optional(boolean) },
  "an object with rate and burst, and optionally shadow",
);

const fieldName = decoder("1 to 64 of A-Z, a-z, 0-9, '_', not a digit first", (raw) =>
  typeof raw === "string" && FIELD_NAME.test(raw) && raw !== "__proto__" ? raw : undefined,
);

const sharedBudget = choice(...IDENTITY_BUDGETS);
const identityBudget: Decoder<RowIdentity["budget"]> = {
  ...budget,
  schema: { anyOf: [sharedBudget.schema, budget.schema] },
  expected: `one of ${IDENTITY_BUDGETS.join(", ")}, or ${budget.expected}`,
  decode: (raw) => (isObject(raw) ? budget.decode(raw) : sharedBudget.decode(raw)),
};

const identity = record<RowIdentity>(
  { field: fieldName, kind: choice(...IDENTITY_KINDS), budget: identityBudget },
  "an object with field, kind and budget",
);

const fieldRule = choice<FieldRule>(...FIELD_KINDS.flatMap((kind): FieldRule[] => [kind, `${kind}?`]));

const FIELDS_EXPECTED = `an object with the kinds of at most ${FIELDS_MAX} fields`;

const fields: Decoder<Readonly<Record<string, FieldRule>>> = {
  ...budget,
  expected: FIELDS_EXPECTED,
  schema: { type: "object", patternProperties: { [FIELD_NAME.source]: fieldRule.schema }, additionalProperties: false },
  decode(raw) {
    if (!isObject(raw) || Object.keys(raw).length > FIELDS_MAX) {
      return rejected(`got ${redactedValue(raw)}, expected ${FIELDS_EXPECTED}`);
    }
    const rules: Record<string, FieldRule> = {};
    const problems: ValueProblem[] = [];
    for (const [name, value] of Object.entries(raw)) {
      const named = fieldName.decode(name);
      const ruled = fieldRule.decode(value);
      if (!named.ok) problems.push(...named.problems.map(({ text }) => ({ at: [name], text: `name of a field: ${text}` })));
      else if (!ruled.ok) problems.push(...ruled.problems.map(({ text }) => ({ at: [name], text })));
      else rules[name] = ruled.value;
    }
    return problems.length > 0 ? { ok: false, problems } : { ok: true, value: rules };
  },
};

const passHeader = decoder(
  "the lower-case name of a response header that does not belong to the gateway, the connection or a cookie",
  (raw) => (typeof raw === "string" && isHeaderName(raw) && isPassableHeader(raw) ? raw : undefined),
  { schema: { type: "string" } },
);

const extraStatus = decoder(
  `one of ${EXTRA_STATUSES.join(", ")}`,
  (raw): ExtraStatus | undefined => EXTRA_STATUSES.find((each) => each === raw),
  { schema: { enum: EXTRA_STATUSES } },
);

const row = record<Omit<PublicRouteEntry, "schema_document">>(
  {
    name: optional(
      decoder(
        `a-z, then up to 39 of a-z, 0-9, '_', '.', '-'; not ${[...TAKEN].join(", ")}`,
        (raw) => (typeof raw === "string" && NAME.test(raw) && !TAKEN.has(raw) ? raw : undefined),
        { schema: { type: "string", pattern: NAME.source } },
      ),
    ),
    method: choice(...PUBLIC_METHODS),
    path: pathPattern("a path on the edge that the gateway does not serve itself, such as /api/v1/public/status", shadowed),
    backend_path: optional(pathPattern("a path at the backend, such as /status", () => undefined)),
    class: optional(choice(...PUBLIC_CLASSES)),
    budget: optional(budget),
    identity: optional(identity),
    fields: optional(fields),
    schema: optional(schemaFile),
    registers_key: optional(boolean),
    body_bytes_max: optional(int("bytes", 2, ROW_BODY_BYTES_MAX)),
    response_bytes_max: optional(int("bytes", 2, 64 * 1024 * 1024)),
    timeout_ms: optional(int("ms", 1, TIMEOUT_MS_MAX)),
    pass_headers: optional(list(passHeader, { plural: "header names", itemsMax: HEADERS_MAX, areDistinct: true })),
    pass_statuses: optional(list(extraStatus, { plural: "statuses", itemsMax: EXTRA_STATUSES.length, areDistinct: true })),
  },
  "an object with method and path",
);

/**
 * Returns why the edge cannot serve the path of a row, or `undefined`. The first segment must not contain a dot, because the
 * first segments of RPC paths and of `/.well-known` paths contain one.
 */
function shadowed({ firstText }: PathPattern): string | undefined {
  if (firstText === undefined) return "must not start with a {variable}: it could match the path of an RPC";
  if (firstText.includes(".")) return "must not have a dot in its first segment: such paths are RPCs and the gateway's keys";
  return OWN_SEGMENTS.has(firstText) ? `must not start with ${OWN_PATHS}: these are paths of the gateway` : undefined;
}

const rows = list(row, { plural: "public routes", itemsMax: ROWS_MAX });

/** Decodes the table of public routes. Each problem names its row. */
export const publicRoutes: Decoder<readonly PublicRouteEntry[]> = {
  ...rows,
  decode(raw) {
    if (!Array.isArray(raw) || raw.length > ROWS_MAX) return rows.decode(raw);
    const decoded = raw.map((each) => row.decode(each));
    const problems = decoded.flatMap((each, index) =>
      (each.ok ? rowProblems(each.value) : each.problems).map((problem) => inRow(raw[index], index, problem)),
    );
    if (problems.length > 0) return { ok: false, problems };
    const value = decoded.flatMap((each) => (each.ok ? [each.value] : []));
    const conflicts = conflictProblems(value).map(({ index, ...problem }) => inRow(raw[index], index, problem));
    return conflicts.length > 0 ? { ok: false, problems: conflicts } : { ok: true, value };
  },
};

/** Adds the position of the row to a problem. Also adds the name of the row, or else its path, if it is valid. */
function inRow(raw: unknown, index: number, { at, text }: ValueProblem): ValueProblem {
  const { name, path } = isObject(raw) ? raw : {};
  const known = [name, path].find((each) => typeof each === "string" && (NAME.test(each) || isPattern(each)));
  return { at: [index, ...at], text: known === undefined ? text : `row ${known}: ${text}` };
}

function isPattern(text: string): boolean {
  try {
    return new PathPattern(text).text === text;
  } catch {
    return false;
  }
}
