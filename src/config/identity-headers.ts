import { type Decoder, decoder } from "./decoder.ts";
import { setting } from "./setting.ts";

/** A field name (RFC 9110 5.6.2, token). */
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;
/**
 * Headers that the gateway or the HTTP client sets itself, and headers of one connection (RFC 9110 7.6.1). An identity in one of
 * them would break the call, or would be replaced.
 */
const RESERVED =
  /^(?:host|authorization|cookie|user-agent|expect|date|via|forwarded|traceparent|tracestate|connection|keep-alive|te|trailer|transfer-encoding|upgrade|accept|accept-.*|content-.*|proxy-.*)$/i;

const headerName: Decoder<string> = decoder(
  "a header name that is not Host, Authorization, Content-*, Accept* or a header of the connection or of tracing",
  (raw) => (typeof raw === "string" && TOKEN.test(raw) && !RESERVED.test(raw) ? raw : undefined),
  { schema: { type: "string", pattern: TOKEN.source } },
);

const NOTE = "The gateway sets the header itself. A client cannot set or change it.";

/** The names of the headers that tell the backend who sends a command. */
export const IDENTITY_HEADER_SETTINGS = {
  "backend.identity_headers.user_id": setting(
    headerName,
    "X-User-Id",
    `Header with the user id, in calls for commands. ${NOTE}`,
  ),
  "backend.identity_headers.device_session_id": setting(
    headerName,
    "X-Device-Session-Id",
    `Header with the device session id, in calls for commands. ${NOTE}`,
  ),
  "backend.identity_headers.request_id": setting(
    headerName,
    "X-Request-Id",
    `Header with the request id, in calls for commands. ${NOTE}`,
  ),
  "backend.identity_headers.idempotency_key": setting(
    headerName,
    "Idempotency-Key",
    `Header with the idempotency key of a command. If the command has none, the header has the request id. ${NOTE}`,
  ),
  "backend.identity_headers.peer_address": setting(
    headerName,
    "X-Forwarded-For",
    `Header with the address of the client, in calls for commands and in public calls. ${NOTE}`,
  ),
};

export const IDENTITY_HEADER_KEYS = [
  "backend.identity_headers.user_id",
  "backend.identity_headers.device_session_id",
  "backend.identity_headers.request_id",
  "backend.identity_headers.idempotency_key",
  "backend.identity_headers.peer_address",
] as const satisfies readonly (keyof typeof IDENTITY_HEADER_SETTINGS)[];

/** The default names, which the embedded backend reads. */
export const DEFAULT_IDENTITY_HEADERS = Object.fromEntries(
  IDENTITY_HEADER_KEYS.map((key) => [key, IDENTITY_HEADER_SETTINGS[key].default]),
);
