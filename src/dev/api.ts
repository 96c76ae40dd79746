/** A parsed JSON object. None of its members has been checked. */
export type JsonObject = Readonly<Record<string, unknown>>;

export interface ApiCall {
  readonly headers: Headers;
  /** The values of the path's placeholders, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** The parsed body; empty for GET. */
  readonly body: JsonObject;
}

export interface ApiReply {
  readonly status: number;
  /** The body of the answer. It is sent as JSON. */
  readonly body: unknown;
}

export type ApiHandler = (call: ApiCall) => ApiReply;

/** Handlers by path and method. Paths have the syntax of Bun.serve's `routes`, such as `/a/:name/b`. */
export type Endpoints = Readonly<Record<string, Readonly<Record<string, ApiHandler>>>>;

/** An error answer of the API, sent as JSON {code, message}. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, "bad_request", message);
}

/**
 * Returns a required string field of at most `charsMax` UTF-16 code units. It may be empty. Throws `ApiError` 400 if it is
 * missing or invalid.
 */
export function textField(body: JsonObject, name: string, charsMax: number): string {
  const text = optionalTextField(body, name, charsMax);
  if (text === undefined) throw badRequest(`${name} is missing`);
  return text;
}

/** Like `textField`, but returns `undefined` if the field is missing. */
export function optionalTextField(body: JsonObject, name: string, charsMax: number): string | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  if (typeof value !== "string" || !value.isWellFormed()) throw badRequest(`${name} must be a string of valid Unicode`);
  if (value.length > charsMax) throw badRequest(`${name} is longer than ${charsMax} characters`);
  return value;
}
