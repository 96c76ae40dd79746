import { messageOf } from "../core/cause.ts";
import { isMessageType, isReservedType, MESSAGE_TYPE_MAX } from "../core/grammar.ts";
import { KEEP_ANSWER_MS_MAX } from "../core/limits.ts";
import { FIELD_NAME, PATH_CHARS_MAX } from "../core/path-grammar.ts";
import { parseTemplate } from "../core/route-template.ts";
import { type Decoder, decoder, isObject, list, optional, record, rejected } from "./decoder.ts";
import type { JsonSchema } from "./json-schema.ts";
import { redactedValue } from "./problem.ts";
import { problemOfCall, routeOf, VERB_NAMES } from "./route-call.ts";
import { METHODS, PAYLOAD_FORMS, type RouteBudget, type RouteConfig, type WrittenRoute } from "./route-config.ts";
import { tableProblems } from "./route-conflicts.ts";
import { boolean, choice, int, positive, text } from "./values.ts";

/** Matches a relative path of at most 256 characters. It has no empty segments and no dot segments. */
const SCHEMA_FILE = /^(?!.{257})(?:(?!\.{1,2}(?:\/|$))[^/\\\p{Cc}:]+(?:\/(?!$)|$))+$/u;
const RETRIES_MAX = 5;
/** Maximum number of routes. It must suffice for a large API: GitHub's has more than a thousand operations. */
export const ROUTES_MAX = 5000;
export const TIMEOUT_MS_MAX = 120_000;
export const RATE_MAX = 1_000_000;
export const BURST_MAX = 1_000_000;

const messageType = decoder(
  'a message type such as "chat.message.send", that does not start with "gateway."',
  (raw) => (typeof raw === "string" && isMessageType(raw) && !isReservedType(raw) ? raw : undefined),
  { schema: { type: "string", maxLength: MESSAGE_TYPE_MAX } },
);
const path: Decoder<string> = {
  expected: "a path such as /api/v1/user/rooms/{room_id}",
  schema: { type: "string", maxLength: PATH_CHARS_MAX },
  fromText: (text) => text,
  decode(raw) {
    if (typeof raw !== "string") return rejected(`got ${redactedValue(raw)}, expected ${path.expected}`);
    try {
      parseTemplate(raw);
      return { ok: true, value: raw };
    } catch (cause) {
      return rejected(messageOf(cause));
    }
  },
};
const bodyField = text('"*" or the name of a field of the payload', /^(\*|[A-Za-z_][A-Za-z0-9_-]{0,63})?$/);
const fieldName = text("the name of a field", FIELD_NAME);

export const schemaFile = text('a path such as "schemas/order.json", inside the folder of the configuration file', SCHEMA_FILE);

/** Matches a media type: type and subtype (RFC 6838 4.2), and parameters without quotation marks. */
export const mediaType = text(
  'a media type such as "application/x-protobuf"',
  /^(?!.{128})[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:; ?[\w-]+=[\w.-]+)*$/,
);

/** Rejects the field `additional_bindings` of google.api.http, because a route has only one backend call. */
const noBindings: Decoder<undefined> = {
  expected: "nothing",
  schema: { type: "null" },
  isOptional: true,
  fromText: (text) => text,
  decode: (raw) =>
    raw === undefined
      ? { ok: true, value: undefined }
      : rejected("a message type has one call, expected another route with a message_type of its own"),
};

const written = record<WrittenRoute>(
  {
    message_type: messageType,
    method: optional(choice(...METHODS)),
    path: optional(path),
    get: optional(path),
    put: optional(path),
    post: optional(path),
    patch: optional(path),
    delete: optional(path),
    body: optional(bodyField),
    response_body: optional(fieldName),
    additional_bindings: noBindings,
    schema: optional(schemaFile),
    request: optional(choice(...PAYLOAD_FORMS)),
    request_content_type: optional(mediaType),
    response: optional(choice(...PAYLOAD_FORMS)),
    response_content_type: optional(mediaType),
    timeout_ms: optional(int("ms", 1, TIMEOUT_MS_MAX)),
    payload_bytes_max: optional(int("bytes", 2, 64 * 1024 * 1024)),
    response_bytes_max: optional(int("bytes", 2, 64 * 1024 * 1024)),
    retries_max: optional(int("repeats", 0, RETRIES_MAX)),
    keep_answer_ms: optional(int("ms", 1, KEEP_ANSWER_MS_MAX)),
    budget: optional(
      record<RouteBudget>(
        { rate: positive("tokens a second", RATE_MAX), burst: int("tokens", 1, BURST_MAX), shadow: optional(boolean) },
        "an object with rate and burst, and optionally shadow",
      ),
    ),
  },
  "an object with message_type, method and path",
);

/** Decodes one route. Each problem starts with the message type of the route. */
const route: Decoder<RouteConfig> = {
  ...written,
  schema: { ...written.schema, anyOf: [["method", "path"], ...VERB_NAMES.map((verb) => [verb])].map(requiring) },
  decode(raw) {
    const decoded = written.decode(raw);
    const problems = decoded.ok ? [] : [...decoded.problems];
    const ofCall = isObject(raw) ? problemOfCall(raw, problems.length > 0) : undefined;
    if (ofCall !== undefined) problems.push(ofCall);
    const result = decoded.ok && problems.length === 0 ? routeOf(decoded.value) : { ok: false as const, problems };
    const type = messageTypeOf(raw);
    if (result.ok || type === undefined) return result;
    return { ok: false, problems: result.problems.map(({ at, text }) => ({ at, text: `${type}: ${text}` })) };
  },
};

const routeList = list(route, { plural: "routes", itemsMax: ROUTES_MAX });

/** Decodes the route table. Rejects routes that contradict each other. */
export const routes: Decoder<readonly RouteConfig[]> = {
  ...routeList,
  decode(raw) {
    const decoded = routeList.decode(raw);
    if (!decoded.ok) return decoded;
    const problems = tableProblems(decoded.value);
    return problems.length > 0 ? { ok: false, problems } : decoded;
  },
};

/**
 * Returns a schema that requires the named fields of a route. It also contains the schemas of these fields, because strict
 * validators reject a required field whose schema is elsewhere.
 */
function requiring(names: readonly string[]): JsonSchema {
  const properties = Object.fromEntries(names.map((name) => [name, written.schema.properties?.[name] ?? {}]));
  return { type: "object", properties, required: names };
}

/** Returns the message type of a route, even if other fields are invalid. Returns `undefined` if the message type is invalid. */
function messageTypeOf(raw: unknown): string | undefined {
  const type = isObject(raw) ? raw["message_type"] : undefined;
  return typeof type === "string" && isMessageType(type) ? type : undefined;
}
