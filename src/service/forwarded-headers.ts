import type { ForwardedHeaders } from "../core/backend.ts";

export function forwardedHeaders(headers: { get(name: string): string | null }): ForwardedHeaders {
  return {
    acceptLanguage: headers.get("accept-language") ?? undefined,
    userAgent: headers.get("user-agent") ?? undefined,
    traceparent: headers.get("traceparent") ?? undefined,
    tracestate: headers.get("tracestate") ?? undefined,
  };
}
