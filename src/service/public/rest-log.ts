import { describeCause } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log, Metrics, Peer } from "../../core/ports.ts";
import { RestError } from "../../core/rest-reply.ts";

interface RestLogParts {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

type Serve = (request: Request, peer: Peer) => Promise<Response>;

/** Runs a public call, turns what it throws into its answer, and makes one metric and one log line of the outcome. */
export function restLog({ log, metrics, clock }: RestLogParts) {
  return async (request: Request, path: string, peer: Peer, serve: Serve): Promise<Response> => {
    const startedAt = clock.monotonic();
    let error: RestError | undefined;
    const response = await serve(request, peer).catch((thrown) => {
      error = thrown instanceof RestError ? thrown : new RestError("internal", undefined, {}, thrown);
      return error.toResponse();
    });
    const seconds = (clock.monotonic() - startedAt) / 1000;
    metrics.count("sallyport_requests_total", { rpc: path, protocol: "rest", code: String(response.status), reason: "" });
    metrics.observe("sallyport_request_seconds", seconds, { rpc: path });
    const fields = {
      path,
      status: response.status,
      code: error?.code,
      ms: Math.round(seconds * 1e6) / 1e3,
      peer: peer.address,
      cause: error?.cause === undefined ? undefined : describeCause(error.cause),
    };
    if (error?.code === "internal") log.error("rest", fields);
    else log.info("rest", fields);
    return response;
  };
}
