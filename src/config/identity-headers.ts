import { type Decoder, decoder } from "./decoder.ts";
import { setting } from "./setting.ts";

/** Matches the name of an HTTP header (RFC 9110 5.6.2, token). */
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;
/**
 * Headers that the gateway or its HTTP client sets, and hop-by-hop headers (RFC 9110 7.6.1). An identity in such a header would
 * break the call or would be overwritten.
 */
const RESERVED =
  /^(?:host|authorization|cookie|user-agent|expect|date|via|forwarded|traceparent|tracestate|connection|keep-alive|te|trailer|transfer-encoding|upgrade|accept|accept-.*|content-.*|proxy-.*)$/i;

const headerName: Decoder<string> = decoder(
  "a header name that is not Host, Authorization, Content-*, Accept* or a header of the connection or of tracing",
  (raw) => (typeof raw === "string" && TOKEN.test(raw) && !RESERVED.test(raw) ? raw : undefined),
  { schema: { type: "string", pattern: TOKEN.source } },
);

const NOTE = "The gateway always sets the header itself, so a client cannot set or change the header.";

/** The settings for the names of the identity headers. The identity headers tell the backend who sends a call. */
export const IDENTITY_HEADER_SETTINGS = {
  "backend.identity_headers.user_id": setting(
    headerName,
    "X-User-Id",
    `Name of the header with the user id in backend calls for commands. ${NOTE}`,
  ),
  "backend.identity_headers.device_session_id": setting(
    headerName,
    "X-Device-Session-Id",
    `Name of the header with the device session id in backend calls for commands. ${NOTE}`,
  ),
  "backend.identity_headers.request_id": setting(
    headerName,
    "X-Request-Id",
    `Name of the header with the request id in backend calls for commands. ${NOTE}`,
  ),
  "backend.identity_headers.idempotency_key": setting(
    headerName,
    "Idempotency-Key",
    `Name of the header with the idempotency key in backend calls for commands. If a command has no idempotency key, the header contains the request id. ${NOTE}`,
  ),
  "backend.identity_headers.peer_address": setting(
    headerName,
    "X-Forwarded-For",
    `Name of the header with the client address in backend calls. The backend calls for commands and for public routes have this header. ${NOTE}`,
  ),
};

export const IDENTITY_HEADER_KEYS = [
  "backend.identity_headers.user_id",
  "backend.identity_headers.device_session_id",
  "backend.identity_headers.request_id",
  "backend.identity_headers.idempotency_key",
  "backend.identity_headers.peer_address",
] as const satisfies readonly (keyof typeof IDENTITY_HEADER_SETTINGS)[];

/** The default name of each identity header, by setting. The embedded backend reads the headers with these names. */
export const DEFAULT_IDENTITY_HEADERS = Object.fromEntries(
  IDENTITY_HEADER_KEYS.map((key) => [key, IDENTITY_HEADER_SETTINGS[key].default]),
);
