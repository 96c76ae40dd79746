import type { Clock } from "../../core/clock.ts";
import { isJsonType, parseJsonObject, utf8Text } from "../../core/json-body.ts";
import type { Backend, BackendCommand, BackendReply, ContinueTrace, Metrics, Route, SendCheck } from "../../core/ports.ts";
import { backendRefusal } from "./backend-refusal.ts";
import { commandHeaders } from "./command-headers.ts";
import { requireNoChallenge } from "./gateway-refused.ts";
import { type HttpAnswer, HttpClient } from "./http-client.ts";
import { failureOfStatus, HttpFailure } from "./http-failure.ts";
import { requireJson } from "./json-answer.ts";
import type { OutageLog } from "./outage-log.ts";
import { routeRequest } from "./route-request.ts";
import type { CompiledRoute, RouteTable } from "./route-table.ts";

export interface RestBackendOptions {
  /** The backend's base URL. */
  readonly url: string;
  readonly routes: RouteTable;
  /** For routes that have none of their own. */
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  readonly token?: string | undefined;
  /** Continues the client's trace in the call to the backend, or begins one. */
  readonly trace: ContinueTrace;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Commands under way at once; the others wait, within their timeout. */
  readonly callsMax?: number;
  readonly report?: OutageLog | undefined;
}

/** Of the 256 fetches that Bun runs at once; the rest are for session look-ups and logins. */
export const COMMAND_CALLS_MAX = 192;

const RESULT_CODE = /^[a-z0-9_.-]{1,64}$/;

/** The application behind the gateway, over REST: the route table says which call serves which message type. */
export class RestBackend implements Backend {
  readonly #options: RestBackendOptions;
  readonly #http: HttpClient;

  constructor(options: RestBackendOptions) {
    this.#options = options;
    this.#http = new HttpClient({ ...options, callsMax: options.callsMax ?? COMMAND_CALLS_MAX });
  }

  route(messageType: string): Route | undefined {
    const route = this.#options.routes.find(messageType);
    if (route === undefined) return undefined;
    return { budget: route.budget, execute: (...call) => this.#execute(route, ...call) };
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
      headers: commandHeaders(command, this.#options.trace(command)),
      timeoutMs: route.timeoutMs ?? this.#options.timeoutMs,
      signal,
      mayBeSent,
    };
    const startedMs = this.#options.clock.monotonic();
    try {
      const reply = readReply(await this.#http.call(call));
      this.#observe(route, startedMs, reply.resultCode === "ok" ? "ok" : "business_error");
      this.#options.report?.succeeded();
      return reply;
    } catch (thrown) {
      if (!(thrown instanceof HttpFailure)) throw thrown;
      this.#observe(route, startedMs, thrown.kind);
      this.#options.report?.failed(thrown);
      throw backendRefusal(thrown);
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#http.close();
  }

  #observe(route: CompiledRoute, startedMs: number, outcome: string): void {
    const seconds = (this.#options.clock.monotonic() - startedMs) / 1000;
    this.#options.metrics.observe("sallyport_backend_seconds", seconds, { route: route.messageType, outcome });
  }
}

/** What an answer means to the client; an `HttpFailure` where it means nothing to it. */
function readReply(answer: HttpAnswer): BackendReply {
  const { status } = answer;
  requireNoChallenge(answer);
  if (status >= 200 && status < 300) return readOk(answer);
  if (status >= 400 && status < 500) return readBusinessError(answer);
  throw failureOfStatus(status);
}

/** The body goes on as it came, and is JSON or empty. */
function readOk({ status, headers, body }: HttpAnswer): BackendReply {
  if (body.byteLength > 0) requireJson(status, headers, body);
  return { resultCode: "ok", payloadBytes: body };
}

/** `ok` is the code of success alone, whatever the body calls itself. */
function readBusinessError({ status, headers, body }: HttpAnswer): BackendReply {
  const object = isJsonType(headers.get("content-type")) ? parseJsonObject(utf8Text(body)) : undefined;
  if (object === undefined) throw new HttpFailure("bad_response", `HTTP ${status} without a JSON object`);
  const code =
    typeof object.code === "string" && RESULT_CODE.test(object.code) && object.code !== "ok" ? object.code : `http_${status}`;
  return { resultCode: code, payloadBytes: body };
}
