import type { Backend, BackendCommand, BackendReply, ContinueTrace, Route, SendCheck } from "../../core/backend.ts";
import type { Clock } from "../../core/clock.ts";
import { isJsonType, parseJsonObject, utf8Text } from "../../core/json-body.ts";
import type { Metrics } from "../../core/telemetry.ts";
import type { UpstreamPool } from "../upstreams/upstream-pool.ts";
import type { Upstreams } from "../upstreams/upstreams.ts";
import { rawBody, requireJson, requireNoChallenge } from "./answer-checks.ts";
import { commandHeaders, type IdentityHeaders } from "./command-headers.ts";
import type { HttpAnswer } from "./http-client.ts";
import { backendRefusal, failureOfStatus, HttpFailure } from "./http-failure.ts";
import type { OutageLog } from "./outage-log.ts";
import { routeRequest } from "./route-request.ts";
import type { CompiledRoute, RouteTable } from "./route-table.ts";

export interface RestBackendOptions {
  readonly upstreams: Upstreams;
  readonly routes: RouteTable;
  /** Timeout of a call to the backend, in ms. A route can override it. */
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  /**
   * Creates the trace headers of the call to the backend. They continue the client's trace, or start a new trace if the client
   * sent none.
   */
  readonly trace: ContinueTrace;
  readonly identityHeaders?: IdentityHeaders | undefined;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Maximum number of concurrent commands. Further commands wait in a queue, no longer than their own timeout. */
  readonly callsMax?: number;
  readonly outageLog?: OutageLog | undefined;
}

type AdoptedOption = "timeoutMs" | "responseBytesMax" | "identityHeaders";

/**
 * Default maximum number of concurrent commands: 176 of the 256 fetches that Bun runs at a time. The remaining 80 fetches are
 * for session look-ups (48), logins (16), other public calls (8) and health checks (8).
 */
export const COMMAND_CALLS_MAX = 176;

/** Statuses of a backend that did not execute the command now, but may execute it later (RFC 9110, 8470 and 6585). */
const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);
const RESULT_CODE = /^[a-z0-9_.-]{1,64}$/;

/** Calls the application's REST API. The route table maps each message type to one HTTP call. */
export class RestBackend implements Backend {
  #options: RestBackendOptions;
  readonly #pool: UpstreamPool;
  #routes: RouteTable;

  constructor(options: RestBackendOptions) {
    this.#options = options;
    this.#routes = options.routes;
    const { upstreams, callsMax = COMMAND_CALLS_MAX, responseBytesMax } = options;
    this.#pool = upstreams.pool("commands", callsMax, responseBytesMax);
  }

  /** Replaces all routes and the given options. A running command keeps the route that it already has. */
  adopt(routes: RouteTable, options: Partial<Pick<RestBackendOptions, AdoptedOption>> = {}): void {
    this.#routes = routes;
    this.#options = { ...this.#options, ...options };
    this.#pool.responseBytesMax = this.#options.responseBytesMax;
  }

  route(messageType: string): Route | undefined {
    const route = this.#routes.find(messageType);
    if (route === undefined) return undefined;
    return {
      budget: route.budget,
      timeoutMs: this.#timeoutMs(route),
      keepAnswerMs: route.keepAnswerMs,
      execute: (...call) => this.#execute(route, ...call),
    };
  }

  #timeoutMs(route: CompiledRoute): number {
    return route.timeoutMs ?? this.#options.timeoutMs;
  }

  async #execute(
    route: CompiledRoute,
    command: BackendCommand,
    signal: AbortSignal,
    mayBeSent: SendCheck,
  ): Promise<BackendReply> {
    const { target, body } = routeRequest(route, command.payloadBytes);
    const call = {
      method: route.method,
      target,
      body,
      contentType: route.rawType,
      accept: acceptOf(route),
      headers: commandHeaders(command, this.#options.trace(command), this.#options.identityHeaders),
      timeoutMs: this.#timeoutMs(route),
      bytesMax: route.responseBytesMax,
      retriesMax: route.retriesMax,
      // A route that keeps answers declares that its backend recognises a repeated Idempotency-Key. So a call with a key may
      // be sent twice.
      isRepeatable: route.keepAnswerMs !== undefined && command.idempotencyKey !== "" ? true : undefined,
      signal,
      mayBeSent,
    };
    const startedMs = this.#options.clock.monotonic();
    try {
      const reply = await this.#pool.call(call, (answer) => readReply(answer, route));
      this.#observe(route, startedMs, reply.resultCode === "ok" ? "ok" : "business_error");
      this.#options.outageLog?.succeeded();
      return reply;
    } catch (thrown) {
      if (!(thrown instanceof HttpFailure)) throw thrown;
      this.#observe(route, startedMs, thrown.kind);
      this.#options.outageLog?.failed(thrown);
      throw backendRefusal(thrown);
    }
  }

  #observe(route: CompiledRoute, startedMs: number, outcome: string): void {
    const seconds = (this.#options.clock.monotonic() - startedMs) / 1000;
    this.#options.metrics.observe("sallyport_backend_seconds", seconds, { route: route.messageType, outcome });
  }
}

/**
 * Converts an answer of the backend to the reply that the client gets. Throws an `HttpFailure` if the answer must not be sent
 * to the client.
 */
function readReply(answer: HttpAnswer, route: CompiledRoute): BackendReply {
  const { status } = answer;
  requireNoChallenge(answer);
  if (status >= 200 && status < 300) return readOk(answer, route);
  if (status >= 400 && status < 500) return readBusinessError(answer);
  throw failureOfStatus(status);
}

/**
 * Returns the `Accept` header of a call, or `undefined` for JSON alone. A raw route also accepts JSON, because the backend's
 * errors are JSON.
 */
function acceptOf({ isAnswerRaw, answerType }: CompiledRoute): string | undefined {
  if (!isAnswerRaw) return undefined;
  return answerType === undefined ? "*/*" : `${answerType}, application/json;q=0.5`;
}

/**
 * Converts a 2xx answer to a reply. The body must be JSON or empty, unless the answers of the route are raw. The reply's payload
 * is the body, byte for byte. If the route sets `response_body`, the payload is an object instead. `response_body` is the name of
 * its only field, and the body is the value of this field.
 */
function readOk(answer: HttpAnswer, { responseBody, isAnswerRaw, answerType }: CompiledRoute): BackendReply {
  if (isAnswerRaw) return { resultCode: "ok", payloadBytes: rawBody(answer, answerType) };
  if (answer.body.byteLength > 0) requireJson(answer, '; a route whose answers are not JSON needs response = "raw"');
  const payloadBytes = responseBody === undefined ? answer.body : wrapped(answer.body, responseBody);
  return { resultCode: "ok", payloadBytes };
}

function wrapped(body: Uint8Array, field: string): Uint8Array {
  return body.byteLength === 0 ? Buffer.from("{}") : Buffer.concat([Buffer.from(`{"${field}":`), body, Buffer.from("}")]);
}

/**
 * Converts a 4xx answer to a reply. Its result code is the `code` in the JSON body. If this code is missing or invalid, the
 * result code is `http_<status>`. The code `ok` is invalid here, because it is reserved for 2xx answers.
 */
function readBusinessError({ status, headers, body }: HttpAnswer): BackendReply {
  const object = isJsonType(headers.get("content-type")) ? parseJsonObject(utf8Text(body)) : undefined;
  if (object === undefined) throw new HttpFailure("bad_response", `HTTP ${status} without a JSON object`, { isFault: false });
  const code =
    typeof object["code"] === "string" && RESULT_CODE.test(object["code"]) && object["code"] !== "ok"
      ? object["code"]
      : `http_${status}`;
  return { resultCode: code, payloadBytes: body, isTransient: TRANSIENT_STATUSES.has(status) };
}
