import type { HttpEndpoint } from "../../core/http-endpoint.ts";
import { RestError } from "../../core/rest-reply.ts";
import { type DevCallParts, devEndpoints, plainSetupEndpoint } from "./dev-endpoints.ts";
import type { PageFile } from "./page-files.ts";
import type { GatewayFacts } from "./setup.ts";

/**
 * - The page loads nothing from other origins, and cannot be framed.
 * - Inline scripts, inline styles and `eval` are forbidden.
 * - Trusted Types are required, but no policy may be created. So text cannot become markup.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const SECURITY_HEADERS = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Browsers may cache an asset for a year, because its name contains the hash of its content. */
const IMMUTABLE = "public, max-age=31536000, immutable";
/** A browser asks each time whether the document has changed, because only the document names the current assets. */
const REVALIDATED = "no-cache";

/**
 * Creates the endpoints of the playground: the page at `/` of the edge, the files of the page, and the calls that the page
 * makes. Without `dev`, the page cannot read login codes, push events, revoke sessions or restart the gateway.
 */
export function playgroundEndpoints(files: readonly PageFile[], facts: GatewayFacts, dev?: DevCallParts): HttpEndpoint[] {
  return [...pageEndpoints(files), ...(dev === undefined ? [plainSetupEndpoint(facts)] : devEndpoints(facts, dev))];
}

/** Creates the endpoints that serve the files of the page. */
export function pageEndpoints(files: readonly PageFile[]): HttpEndpoint[] {
  return files.map((file) => {
    const etag = `"${Bun.hash(file.bytes).toString(36)}"`;
    const headers = {
      ...SECURITY_HEADERS,
      "content-type": file.contentType,
      "cache-control": file.path === "/" ? REVALIDATED : IMMUTABLE,
      etag,
    };
    return {
      path: file.path,
      async serve({ request }) {
        if (request.method !== "GET" && request.method !== "HEAD") {
          throw new RestError("method_not_allowed", undefined, { allow: "GET, HEAD" });
        }
        if (isCurrent(request.headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers });
        return new Response(file.bytes, { headers });
      },
    };
  });
}

/** Whether If-None-Match (RFC 9110 13.1.2) names the entity tag. The comparison is weak. */
function isCurrent(field: string | null, etag: string): boolean {
  if (field === null) return false;
  return field.split(",").some((each) => ["*", etag].includes(each.trim().replace(/^W\//, "")));
}
