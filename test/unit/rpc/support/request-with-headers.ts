import type { HttpRequest } from "../../../../src/rpc/http.ts";

/** A request without a body, on a connection without trailers. */
export function requestWithHeaders(fields: Readonly<Record<string, string>>): HttpRequest {
  const headers = new Headers(fields);
  return {
    method: "POST",
    path: "/",
    query: "",
    headers,
    allHeaders: () => headers,
    readBody: async () => new Uint8Array(0),
    body: () => ({ read: async () => undefined, cancel() {} }),
    signal: () => new AbortController().signal,
    release() {},
    trailers: false,
    peer: undefined,
  };
}
