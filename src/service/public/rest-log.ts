import { describeCause } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { HttpCall, HttpEndpoint } from "../../core/http-endpoint.ts";
import { RestError } from "../../core/rest-reply.ts";
import type { Log, Metrics } from "../../core/telemetry.ts";

export interface RestLogParts {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

type Answer = (call: HttpCall) => Promise<Response>;

/** Creates an endpoint of public REST that serves each call with `answer`, and logs and counts the call (`serveLogged`). */
export function loggedEndpoint(path: string, answer: Answer, parts: RestLogParts): HttpEndpoint {
  return { path, serve: (call) => serveLogged({ path, label: path }, call, answer, parts) };
}

/** The names of the endpoint that serves a call: `path` in the log, and `label` in metrics. Both have few different values. */
interface CallNames {
  readonly path: string;
  readonly label: string;
}

/** Serves a call with `answer`. Converts errors to responses, and records the call in the metrics and in one log line. */
export async function serveLogged(
  { path, label }: CallNames,
  call: HttpCall,
  answer: Answer,
  { log, metrics, clock }: RestLogParts,
): Promise<Response> {
  const startedAt = clock.monotonic();
  let error: RestError | undefined;
  const response = await answer(call).catch((thrown) => {
    error = thrown instanceof RestError ? thrown : new RestError("internal", undefined, {}, thrown);
    return error.toResponse();
  });
  const seconds = (clock.monotonic() - startedAt) / 1000;
  metrics.count("sallyport_requests_total", { rpc: label, protocol: "rest", code: String(response.status), reason: "" });
  metrics.observe("sallyport_request_seconds", seconds, { rpc: label });
  const fields = {
    path,
    status: response.status,
    code: error?.code,
    ms: Math.round(seconds * 1e6) / 1e3,
    peer: call.peer.address,
    cause: error?.cause === undefined ? undefined : describeCause(error.cause),
  };
  if (error?.code === "internal") log.error("public REST call failed", fields);
  else log.info("public REST call finished", fields);
  return response;
}
