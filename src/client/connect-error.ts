import type { JsonValue } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeName } from "./errors.ts";
import { member, textMember } from "./json.ts";

const CODES: ReadonlyMap<string | undefined, Code> = new Map(
  Array.from({ length: Code.Unauthenticated }, (_, at) => [codeName(at + 1), at + 1]),
);

/** The error code for each HTTP status (Connect, "HTTP to Error Code"). */
const HTTP_CODES: Readonly<Record<number, Code>> = {
  400: Code.Internal,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.Unimplemented,
  429: Code.Unavailable,
  502: Code.Unavailable,
  503: Code.Unavailable,
  504: Code.Unavailable,
};

/**
 * Returns the error for an HTTP status other than 200. Use it if the body contains no Connect error. The header fields become
 * the metadata of the error, because they can contain `Retry-After`.
 */
export function httpError(status: number, headers: Headers): ConnectError {
  return new ConnectError(`HTTP ${status}`, HTTP_CODES[status] ?? Code.Unknown, headers);
}

/**
 * Parses the JSON form of an error (Connect, "Error"). Returns `fallback` if the JSON is malformed. The error has the metadata of
 * `fallback`.
 */
export function connectErrorOf(json: JsonValue | undefined, fallback: ConnectError): ConnectError {
  const code = CODES.get(textMember(json, "code"));
  if (code === undefined) return fallback;
  const error = new ConnectError(textMember(json, "message") ?? "", code, fallback.metadata);
  const details = member(json, "details");
  for (const detail of Array.isArray(details) ? details : []) {
    const [type, value] = [textMember(detail, "type"), textMember(detail, "value")];
    if (type === undefined || value === undefined) return fallback;
    try {
      error.details.push({ type, value: base64Decode(value) });
    } catch {
      return fallback;
    }
  }
  return error;
}
