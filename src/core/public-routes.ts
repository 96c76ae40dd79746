import type { FlatSchema } from "./flat-schema.ts";

/** The HTTP methods that a row of the setting `public_routes` may have (proto/public-routes.md). */
export const PUBLIC_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;
export type PublicMethod = (typeof PUBLIC_METHODS)[number];

/** Names of budgets that several rows of `public_routes` share. Each network has its own bucket. */
export const PUBLIC_CLASSES = ["public_auth", "public_misc"] as const;
export type PublicClass = (typeof PUBLIC_CLASSES)[number];

/** Names of budgets that several rows of `public_routes` share. Each identity, such as an e-mail address, has its own bucket. */
export const IDENTITY_BUDGETS = ["send_code", "confirm_code"] as const;
export type IdentityBudget = (typeof IDENTITY_BUDGETS)[number];

/** The kind of an identity decides how the gateway checks the identity, and which spellings of it share a bucket. */
export const IDENTITY_KINDS = ["email", "challenge", "opaque"] as const;
export type IdentityKind = (typeof IDENTITY_KINDS)[number];

export const FIELD_KINDS = ["email", "challenge", "code", "text", "metadata", "any"] as const;
export type FieldKind = (typeof FIELD_KINDS)[number];
/** The kind of a field. A question mark makes the field optional. */
export type FieldRule = FieldKind | `${FieldKind}?`;

/** The body fields with which a login registers the device key. A row with `registers_key` accepts them in addition to `fields`. */
export const KEY_FIELDS = ["client_public_key", "client_key_algorithm"] as const;

/** HTTP statuses of the backend that the client gets only if `pass_statuses` of the row lists them. */
export const EXTRA_STATUSES = [204, 401, 403] as const;
export type ExtraStatus = (typeof EXTRA_STATUSES)[number];

/** A token bucket: `rate` tokens a second, at most `burst` tokens. `shadow`: calls over the budget are counted, not refused. */
export type RowBudget = { readonly rate: number; readonly burst: number; readonly shadow?: boolean | undefined };

export type RowIdentity = {
  /** The name of the field or path variable that contains the identity. */
  readonly field: string;
  readonly kind: IdentityKind;
  /** The budget of each identity: the name of a shared budget, or the rate and burst of the row's own budget. */
  readonly budget: IdentityBudget | RowBudget;
};

export type PublicRouteEntry = {
  /** The label of the row in metrics, and the name of its own budgets. Default: `path`. */
  readonly name?: string | undefined;
  readonly method: PublicMethod;
  /** The path on the edge, with `{variables}`. */
  readonly path: string;
  /** The path at the backend, with the same variables. Default: `path`. */
  readonly backend_path?: string | undefined;
  /** A budget of the client's network that several rows share. Default: `public_auth`, or none if the row has a `budget`. */
  readonly class?: PublicClass | undefined;
  /** The row's own budget for each network. */
  readonly budget?: RowBudget | undefined;
  readonly identity?: RowIdentity | undefined;
  /** The kinds of the accepted fields, by name. Default: any fields in a body, and none in a query. */
  readonly fields?: Readonly<Record<string, FieldRule>> | undefined;
  /** The JSON Schema of the fields: a file, relative to the folder of the configuration file. Default: any fields. */
  readonly schema?: string | undefined;
  /** The schema in the file `schema`, and all schemas that it refers to. They are read together with the configuration. */
  readonly schema_document?: FlatSchema | undefined;
  readonly registers_key?: boolean | undefined;
  readonly body_bytes_max?: number | undefined;
  readonly response_bytes_max?: number | undefined;
  readonly timeout_ms?: number | undefined;
  /** Names, in lower case, of the backend's response headers that reach the client. */
  readonly pass_headers?: readonly string[] | undefined;
  readonly pass_statuses?: readonly ExtraStatus[] | undefined;
};

/** Returns true if calls with this method have their fields in the body. Otherwise, the fields are in the query. */
export function hasBody(method: PublicMethod): boolean {
  return method !== "GET" && method !== "DELETE";
}

export function readFieldRule(rule: FieldRule): { readonly kind: FieldKind; readonly isOptional: boolean } {
  const kind = FIELD_KINDS.find((each) => rule === each || rule === `${each}?`);
  if (kind === undefined) throw new TypeError("unknown kind of field");
  return { kind, isOptional: rule.endsWith("?") };
}

/** The rows of the login by e-mail code. They are the default of the setting `public_routes`. */
export const EMAIL_LOGIN: readonly PublicRouteEntry[] = [
  {
    method: "POST",
    path: "/api/v1/public/auth/send-email-code",
    identity: { field: "email", kind: "email", budget: "send_code" },
    fields: { email: "email", metadata: "metadata?" },
  },
  {
    method: "POST",
    path: "/api/v1/public/auth/confirm-email-code",
    identity: { field: "challenge_id", kind: "challenge", budget: "confirm_code" },
    fields: { challenge_id: "challenge", code: "code", metadata: "metadata?" },
    registers_key: true,
  },
];
