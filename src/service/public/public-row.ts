import type { Budget } from "../../core/buckets.ts";
import { PUBLIC_BODY_BYTES_MAX, PUBLIC_BODY_BYTES_PER_TOKEN, PUBLIC_BODY_TOKENS_MIN } from "../../core/limits.ts";
import { PathPattern, type PathValues } from "../../core/path-pattern.ts";
import {
  hasBody,
  type IdentityBudget,
  type PublicClass,
  type PublicMethod,
  type PublicRouteEntry,
  type RowBudget,
  type RowIdentity,
} from "../../core/public-routes.ts";
import { PayloadSchema } from "../../schema/payload-schema.ts";
import { checkDeviceKey, type DeviceKeyRules } from "./fields/device-key-check.ts";
import { identityKey } from "./fields/identity-key.ts";
import { FieldChecks, type Fields, invalid } from "./fields/public-fields.ts";

/** A call whose fields are valid. */
export interface CheckedCall {
  readonly fields: Fields;
  /** The bucket key of the call's identity, such as an e-mail address; `undefined` if the row has no identity. */
  readonly identity: string | undefined;
  /** Checks the fields by the schema of the row. Call it only if the budgets of the call have tokens left. Throws RestError. */
  readonly schemaCheck: (() => void) | undefined;
  /**
   * Checks the device key, which needs much CPU time. Call it only if the budgets of the call have tokens left. Throws RestError.
   */
  readonly expensiveCheck: (() => void) | undefined;
}

/** A budget of one row: its name and its bucket parameters. */
export interface NamedBudget {
  readonly policy: string;
  readonly budget: Budget;
}

/** One row of `public_routes`, ready to serve calls. */
export interface PublicRow {
  /** The label of the row in metrics. */
  readonly name: string;
  readonly method: PublicMethod;
  readonly path: PathPattern;
  readonly backendPath: PathPattern;
  readonly class: PublicClass | undefined;
  /** The row's own budget per network. */
  readonly budget: NamedBudget | undefined;
  /** The budget per identity: the name of a shared budget, or the row's own budget. */
  readonly identityBudget: IdentityBudget | NamedBudget | undefined;
  /** Whether the call is a step of a login. */
  readonly isLogin: boolean;
  readonly bodyBytesMax: number;
  readonly bodyTokensMax: number;
  readonly answer: AnswerRules;
  /** Checks the fields of a call: its body or its query. Throws RestError. */
  check(fields: unknown, variables: PathValues): CheckedCall;
}

/** What the row accepts from the backend, and passes to the client. */
export interface AnswerRules {
  readonly timeoutMs: number | undefined;
  readonly bytesMax: number | undefined;
  readonly headers: readonly string[];
  readonly statuses: ReadonlySet<number>;
  /** Whether each 2xx answer must have a valid `device_session_id`. */
  readonly hasSession: boolean;
}

/** Compiles a row. Throws a TypeError if a path is invalid. The configuration has already checked everything else. */
export function compileRow(entry: PublicRouteEntry, keyRules: DeviceKeyRules): PublicRow {
  const { method, path, identity, registers_key: registersKey = false, fields } = entry;
  const name = entry.name ?? path;
  const bodyBytesMax = entry.body_bytes_max ?? PUBLIC_BODY_BYTES_MAX;
  const shared = entry.class ?? (entry.budget === undefined ? "public_auth" : undefined);
  const schema = entry.schema_document && PayloadSchema.of(entry.schema_document);
  const checks = new FieldChecks(fields ?? (hasBody(method) ? undefined : {}), registersKey);
  return {
    ...{ name, method, bodyBytesMax, class: shared, isLogin: registersKey || shared === "public_auth" },
    bodyTokensMax: Math.max(PUBLIC_BODY_TOKENS_MIN, Math.floor(bodyBytesMax / PUBLIC_BODY_BYTES_PER_TOKEN)),
    path: new PathPattern(path),
    backendPath: new PathPattern(entry.backend_path ?? path),
    budget: entry.budget && named(name, entry.budget),
    identityBudget: identity && identityBudget(name, identity),
    answer: {
      timeoutMs: entry.timeout_ms,
      bytesMax: entry.response_bytes_max,
      headers: entry.pass_headers ?? [],
      statuses: new Set(entry.pass_statuses),
      hasSession: registersKey,
    },
    check(raw, variables) {
      const checked = checks.run(raw);
      const expensiveCheck = registersKey ? checkDeviceKey(checked, keyRules) : undefined;
      checks.runMetadata(checked);
      const schemaCheck = schema && (() => requireValid(schema, checked));
      return { fields: checked, schemaCheck, expensiveCheck, identity: identity && identityOf(identity, checked, variables) };
    },
  };
}

/** Checks the JSON text of the fields by the schema of the row. The backend gets the same text. Throws RestError. */
function requireValid(schema: PayloadSchema, fields: Fields): void {
  const violation = schema.violationOf(JSON.stringify(fields));
  if (violation === undefined) return;
  throw invalid(`${JSON.stringify(violation.pointer)} violates ${JSON.stringify(violation.keyword)} of the schema`);
}

function identityOf({ field, kind }: RowIdentity, fields: Fields, variables: PathValues): string {
  const value = variables.get(field) ?? (Object.hasOwn(fields, field) ? fields[field] : undefined);
  return identityKey(kind, value, field);
}

function identityBudget(name: string, { budget }: RowIdentity): IdentityBudget | NamedBudget {
  return typeof budget === "string" ? budget : named(`${name}.identity`, budget);
}

function named(policy: string, { rate, burst, shadow }: RowBudget): NamedBudget {
  return { policy, budget: { ratePerSecond: rate, burst, shadow } };
}
