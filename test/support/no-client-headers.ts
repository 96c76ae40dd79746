/** What a backend call passes on of a client that sent no header. */
export const NO_CLIENT_HEADERS = {
  acceptLanguage: undefined,
  userAgent: undefined,
  traceparent: undefined,
  tracestate: undefined,
} as const;
