import type { HttpEndpoint } from "../../core/http-endpoint.ts";
import { type DevCallParts, devEndpoints, plainSetupEndpoint } from "./dev-endpoints.ts";
import { pageEndpoints } from "./page-endpoints.ts";
import type { PageFile } from "./page-files.ts";

/**
 * Creates the endpoints of the playground: the page at `/` of the edge, its files, and its calls. Without `dev`, the page shows
 * no e-mails with login codes, and has no buttons that push, revoke or restart.
 */
export function playgroundEndpoints(files: readonly PageFile[], dev?: DevCallParts): HttpEndpoint[] {
  return [...pageEndpoints(files), ...(dev === undefined ? [plainSetupEndpoint()] : devEndpoints(dev))];
}
