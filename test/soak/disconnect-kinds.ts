import { HTTP1_CARRIER, HTTP1_KINDS } from "./disconnect-http1.ts";
import { HTTP2_CARRIERS, HTTP2_KINDS } from "./disconnect-http2.ts";
import type { Carrier, DisconnectKind } from "./disconnect-kind.ts";
import { TLS_KINDS } from "./disconnect-tls.ts";

/** Every abrupt disconnect. TLS adds those within the handshake. */
export const CLEARTEXT_KINDS: readonly DisconnectKind[] = [...HTTP1_KINDS, ...HTTP2_KINDS];
export const KINDS: readonly DisconnectKind[] = [...CLEARTEXT_KINDS, ...TLS_KINDS];
export const CARRIERS: readonly Carrier[] = [HTTP1_CARRIER, ...HTTP2_CARRIERS];
