import type { HttpEndpoint } from "../../core/http-endpoint.ts";
import { type PublicAuthParts, type PublicRoute, servePublicCall } from "./public-call.ts";
import { servePublicKeys } from "./public-keys.ts";
import { loggedEndpoint, type RestLogParts } from "./rest-log.ts";

export interface PublicEndpointParts extends RestLogParts {
  readonly routes: readonly PublicRoute[];
  readonly publicAuth: PublicAuthParts;
  /** The gateway's public keys, as JWKS. */
  readonly jwks: object;
}

const KEYS_PATH = "/.well-known/jwks.json";

/** The endpoints of public REST: the login routes and the gateway's keys. */
export function publicEndpoints({ routes, publicAuth, jwks, ...parts }: PublicEndpointParts): HttpEndpoint[] {
  const calls = routes.map((route) => loggedEndpoint(route.path, (call) => servePublicCall(call, route, publicAuth), parts));
  return [...calls, loggedEndpoint(KEYS_PATH, (call) => servePublicKeys(call, jwks, publicAuth), parts)];
}
