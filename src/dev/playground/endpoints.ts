import type { HttpEndpoint } from "../../core/http-endpoint.ts";
import { type DevCallParts, devEndpoints, plainSetupEndpoint } from "./dev-endpoints.ts";
import { pageEndpoints } from "./page-endpoints.ts";
import type { PageFile } from "./page-files.ts";

/**
 * Creates the endpoints of the playground: the page at `/` of the edge, the files of the page, and the calls that the page
 * makes. Without `dev`, the page cannot read login codes, push events, revoke sessions or restart the gateway.
 */
export function playgroundEndpoints(files: readonly PageFile[], dev?: DevCallParts): HttpEndpoint[] {
  return [...pageEndpoints(files), ...(dev === undefined ? [plainSetupEndpoint()] : devEndpoints(dev))];
}
