import { HTTP1_CARRIER, HTTP1_KINDS } from "./rude-http1.ts";
import { HTTP2_CARRIERS, HTTP2_KINDS } from "./rude-http2.ts";
import type { Carrier, RudeKind } from "./rude-kind.ts";
import { TLS_KINDS } from "./rude-tls.ts";

/** Every way to leave that a connection is told about; over TLS those of the handshake besides. */
export const CLEARTEXT_KINDS: readonly RudeKind[] = [...HTTP1_KINDS, ...HTTP2_KINDS];
export const KINDS: readonly RudeKind[] = [...CLEARTEXT_KINDS, ...TLS_KINDS];
export const CARRIERS: readonly Carrier[] = [HTTP1_CARRIER, ...HTTP2_CARRIERS];
