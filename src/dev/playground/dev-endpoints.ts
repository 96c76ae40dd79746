import type { HttpCall, HttpEndpoint } from "../../core/http-endpoint.ts";
import { jsonReply, RestError } from "../../core/rest-reply.ts";
import type { Log } from "../../core/telemetry.ts";
import type { Endpoints } from "../api.ts";
import { answerApi, callHandler, type Handlers } from "../api-answer.ts";
import { REST_BODY_BYTES_MAX } from "../limits.ts";
import { OwnPageGuard } from "./own-page-guard.ts";
import type { DevSetup, GatewayFacts, PlaygroundSetup } from "./setup.ts";

export interface DevCallParts {
  readonly setup: DevSetup;
  /** The development API of the embedded backend: read login codes, push events, revoke sessions. */
  readonly backend: Endpoints;
  /** Starts a restart of the gateway. Returns before the gateway stops, so that the calling endpoint can answer first. */
  readonly restart: () => void;
  readonly log: Log;
}

const SETUP_PATH = "/playground/setup";

/**
 * Creates `GET /playground/setup` for a gateway without `devEndpoints`. Without `dev` in the answer, the page knows that they are
 * missing.
 */
export function plainSetupEndpoint(facts: GatewayFacts): HttpEndpoint {
  return {
    path: SETUP_PATH,
    async serve({ request }) {
      if (request.method !== "GET") throw new RestError("method_not_allowed", undefined, { allow: "GET" });
      return jsonReply(200, facts satisfies PlaygroundSetup);
    },
  };
}

/**
 * Creates the endpoints that only `sallyport dev` has:
 *
 * - the gateway's settings, which the page shows
 * - the development API of the embedded backend
 * - the restart of the gateway
 *
 * Their paths start with `/playground`. They have the page's origin, so the page needs no access to another port. `OwnPageGuard`
 * protects them.
 */
export function devEndpoints(facts: GatewayFacts, { setup, backend, restart, log }: DevCallParts): HttpEndpoint[] {
  const guard = new OwnPageGuard();
  const own: Endpoints = {
    "/setup": { GET: () => ({ status: 200, body: { ...facts, dev: setup } satisfies PlaygroundSetup }) },
    "/dev/restart": {
      POST() {
        restart();
        return { status: 202, body: {} };
      },
    },
  };
  return Object.entries({ ...backend, ...own }).map(([path, handlers]) => ({
    path: `/playground${path}`,
    serve: (call) =>
      answerApi(log, () => {
        guard.check(call);
        return answer(handlers, call, log);
      }),
  }));
}

async function answer(handlers: Handlers, { request, readBody }: HttpCall, log: Log): Promise<Response> {
  const { method, headers } = request;
  const readText = async () => new TextDecoder().decode(await readBody(REST_BODY_BYTES_MAX));
  const response = await callHandler(handlers, { method, headers, params: {}, readText }, log);
  response.headers.set("cache-control", "no-store");
  response.headers.set("x-content-type-options", "nosniff");
  return response;
}
