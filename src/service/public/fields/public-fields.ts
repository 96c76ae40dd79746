import { isJsonObject } from "../../../core/json-body.ts";
import { type FieldKind, type FieldRule, KEY_FIELDS, readFieldRule } from "../../../core/public-routes.ts";
import { RestError } from "../../../core/rest-reply.ts";
import { challengeKey } from "./challenge-id.ts";

const EMAIL_CHARS_MAX = 254;
const CODE = /^[\x21-\x7e]{1,32}$/;
const METADATA_ENTRIES_MAX = 16;
const METADATA_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const METADATA_VALUE_CHARS_MAX = 256;

/** Creates the error of an invalid call. `detail` is sent to the client. */
export function invalid(detail: string): RestError {
  return new RestError("invalid_request", detail);
}

/** The fields of a call: the members of its JSON body, or the parameters of its query. */
export type Fields = Readonly<Record<string, unknown>>;

/** Checks the field `name` of a call. Throws RestError. */
type FieldCheck = (value: unknown, name: string) => void;

const CHECKS: Readonly<Record<FieldKind, FieldCheck>> = {
  email: (value, name) => requireEmail(textOf(value, name), name),
  challenge: (value, name) => requireChallenge(textOf(value, name), name),
  code(value, name) {
    if (!CODE.test(textOf(value, name))) throw invalid(`${name} must be 1 to 32 visible ASCII characters`);
  },
  text(value, name) {
    if (!textOf(value, name).isWellFormed()) throw invalid(`${name} must be valid Unicode`);
  },
  metadata: checkMetadata,
  any: checkJsonNumbers,
};

/**
 * Checks the fields of one public route in two parts: `run`, then `runMetadata`. The device key of a login is checked between them.
 */
export class FieldChecks {
  readonly #known: ReadonlySet<string> | undefined;
  readonly #first: readonly FieldEntry[];
  readonly #metadata: readonly FieldEntry[];

  /** Without `rules`, every JSON object is accepted. */
  constructor(rules: Readonly<Record<string, FieldRule>> | undefined, registersKey: boolean) {
    const entries = Object.entries(rules ?? {}).map(([name, rule]) => ({ name, ...readFieldRule(rule) }));
    const names = [...entries.map(({ name }) => name), ...(registersKey ? KEY_FIELDS : [])];
    this.#known = rules && new Set(names);
    this.#first = entries.filter(({ kind }) => kind !== "metadata");
    this.#metadata = entries.filter(({ kind }) => kind === "metadata");
  }

  /** Checks the names of the fields, and each field except metadata. Throws RestError. */
  run(json: unknown): Fields {
    if (!isJsonObject(json)) throw invalid("the body must be a JSON object");
    const known = this.#known;
    if (known === undefined) checkJsonNumbers(json);
    const unknown = known && Object.keys(json).find((name) => !known.has(name));
    if (unknown !== undefined) throw invalid(`unknown field ${JSON.stringify(unknown.slice(0, 64))}`);
    checkAll(this.#first, json);
    return json;
  }

  /** Checks the metadata of a call. Throws RestError. */
  runMetadata(fields: Fields): void {
    checkAll(this.#metadata, fields);
  }
}

interface FieldEntry {
  readonly name: string;
  readonly kind: FieldKind;
  readonly isOptional: boolean;
}

function checkAll(entries: readonly FieldEntry[], fields: Fields): void {
  for (const { name, kind, isOptional } of entries) {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (value === undefined && isOptional) continue;
    if (value === undefined && kind === "any") throw invalid(`${name} is missing`);
    CHECKS[kind](value, name);
  }
}

/** Returns a field that must be a non-empty string. Throws RestError. */
export function textOf(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "") throw invalid(`${name} must be a non-empty string`);
  return value;
}

/**
 * Throws RestError unless the text looks like an e-mail address: one @ with text before and after it, and no characters that
 * could end a mail header or a line. Does not check whether the mailbox exists.
 */
export function requireEmail(text: string, name: string): void {
  if (text.length <= EMAIL_CHARS_MAX && EMAIL.test(text)) return;
  throw invalid(`${name} must be an e-mail address`);
}

const EMAIL = /^[^\s@\p{Cc}\p{Cf}<>"(),:;[\]\\]+@[^\s@\p{Cc}\p{Cf}<>"(),:;[\]\\]+$/u;

/** Returns the key of the bucket for one challenge. Throws RestError if the id does not follow `CHALLENGE_RULE`. */
export function requireChallenge(id: string, name: string): string {
  const key = challengeKey(id);
  if (key === undefined) throw invalid(`${name} ${CHALLENGE_RULE}`);
  return key;
}

const CHALLENGE_RULE = "must be 1 to 128 of A-Z, a-z, 0-9, . _ ~ -, and a UUID must be 8-4-4-4-12 lower-case hex digits";

function checkMetadata(metadata: unknown, name: string): void {
  if (!isJsonObject(metadata)) throw invalid(`${name} must be an object`);
  const entries = Object.entries(metadata);
  if (entries.length > METADATA_ENTRIES_MAX) throw invalid(`${name} has at most ${METADATA_ENTRIES_MAX} entries`);
  for (const [entry, value] of entries) {
    if (!METADATA_NAME.test(entry)) throw invalid(`${name} names are 1 to 64 of A-Z, a-z, 0-9, _ . -`);
    if (typeof value !== "string" || value.length > METADATA_VALUE_CHARS_MAX) {
      throw invalid(`${name} values are strings of at most ${METADATA_VALUE_CHARS_MAX} characters`);
    }
  }
}

/**
 * Throws RestError if the value contains an integer beyond ±(2⁵³ − 1), or a number beyond the range of a double (RFC 7493 2.2).
 * The gateway parses a body into doubles and writes it again. So the backend could otherwise get another number.
 */
function checkJsonNumbers(value: unknown): void {
  if (typeof value === "number" && (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))) {
    throw invalid("a number is too large; send it as a string");
  }
  if (typeof value !== "object" || value === null) return;
  for (const each of Object.values(value)) checkJsonNumbers(each);
}
