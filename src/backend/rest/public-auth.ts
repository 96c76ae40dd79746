import type { ContinueTrace, PublicAnswer, PublicBackend, PublicBackendCall, PublicCallContext } from "../../core/backend.ts";
import { isDeviceSessionId, isHeaderValue } from "../../core/grammar.ts";
import { parseJsonObject, utf8Text } from "../../core/json-body.ts";
import type { UpstreamPool } from "../upstreams/upstream-pool.ts";
import type { Upstreams } from "../upstreams/upstreams.ts";
import { requireGatewayAccepted, requireJson, requireNoChallenge } from "./answer-checks.ts";
import { type IdentityHeaders, publicHeaders } from "./command-headers.ts";
import { type HttpAnswer, isUsed, tooLong } from "./http-client.ts";
import { backendRefusal, failureOfStatus, HttpFailure } from "./http-failure.ts";
import type { OutageLog } from "./outage-log.ts";

export interface PublicAuthOptions {
  readonly upstreams: Upstreams;
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  /**
   * Creates the trace headers of the call to the backend. They continue the client's trace, or start a new trace if the client
   * sent none.
   */
  readonly trace: ContinueTrace;
  readonly identityHeaders?: IdentityHeaders | undefined;
  readonly outageLog?: OutageLog | undefined;
}

/** Maximum number of concurrent login calls: 16 of the 256 fetches that Bun runs at a time (see `ConcurrencyLimiter`). */
const LOGIN_CALLS_MAX = 16;
/** Maximum number of concurrent public calls other than logins: 8 of the 256 fetches that Bun runs at a time. */
const OTHER_CALLS_MAX = 8;

const NO_CONTENT = 204;
/** Maximum length of the value of a response header that reaches the client. A header with a longer value is dropped. */
const PASSED_CHARS_MAX = 1024;
const RETRY_AFTER_SECONDS = /^\d{1,6}$/;

/** Forwards calls of public routes to the backend. The caller must first validate the fields of each call. */
export class PublicAuth implements PublicBackend {
  #options: PublicAuthOptions;
  readonly #logins: UpstreamPool;
  readonly #others: UpstreamPool;

  constructor(options: PublicAuthOptions) {
    const { upstreams, responseBytesMax } = options;
    this.#options = options;
    this.#logins = upstreams.pool("logins", LOGIN_CALLS_MAX, responseBytesMax);
    this.#others = upstreams.pool("public", OTHER_CALLS_MAX, responseBytesMax);
  }

  /** Uses these options for calls that start from now on. */
  adopt(options: Pick<PublicAuthOptions, "timeoutMs" | "responseBytesMax" | "identityHeaders">): void {
    this.#options = { ...this.#options, ...options };
    for (const pool of [this.#logins, this.#others]) pool.responseBytesMax = options.responseBytesMax;
  }

  async forward(forwarded: PublicBackendCall, context: PublicCallContext, signal: AbortSignal): Promise<PublicAnswer> {
    const { method, target, body, isLogin, timeoutMs = this.#options.timeoutMs } = forwarded;
    const call = {
      ...{ method, target, timeoutMs, signal },
      headers: publicHeaders(context, this.#options.trace(context), this.#options.identityHeaders),
      body: body && JSON.stringify(body),
    };
    const pool = isLogin ? this.#logins : this.#others;
    try {
      const answer = await pool.call(call, (each) => toPublicAnswer(each, forwarded));
      this.#options.outageLog?.succeeded();
      return answer;
    } catch (thrown) {
      if (!(thrown instanceof HttpFailure)) throw thrown;
      this.#options.outageLog?.failed(thrown);
      throw backendRefusal(thrown);
    }
  }
}

function toPublicAnswer(answer: HttpAnswer, call: PublicBackendCall): PublicAnswer {
  const { status, headers, body } = answer;
  // A 401 or 403 with `WWW-Authenticate` rejects the gateway's own token, even if `pass_statuses` contains this status.
  if (call.statuses.has(status)) requireNoChallenge(answer);
  else requireGatewayAccepted(answer);
  const retryAfter = headers.get("retry-after");
  if (!isUsed(answer)) throw failureOfStatus(status);
  const { bytesMax = Number.POSITIVE_INFINITY } = call;
  if (body.byteLength > bytesMax) throw tooLong(bytesMax);
  const isEmpty = status === NO_CONTENT && call.statuses.has(status) && body.byteLength === 0;
  const contentType = isEmpty ? undefined : requireJson(answer);
  if (call.hasSession) requireSession(answer);
  const seconds = retryAfter !== null && RETRY_AFTER_SECONDS.test(retryAfter) ? retryAfter : undefined;
  return { status, contentType, body, retryAfter: seconds, headers: passedHeaders(headers, call.headers) };
}

/**
 * Throws an `HttpFailure` if a 2xx answer to a login contains no valid session id. The client would otherwise keep a key that
 * belongs to no session.
 */
function requireSession({ status, body }: HttpAnswer): void {
  if (status >= 300) return;
  const id = parseJsonObject(utf8Text(body))?.["device_session_id"];
  if (typeof id === "string" && isDeviceSessionId(id)) return;
  throw new HttpFailure("bad_response", `HTTP ${status} without a valid device_session_id`);
}

/** Returns the headers of the answer that are in `names`. Drops headers whose value is too long or not visible ASCII. */
function passedHeaders(headers: Headers, names: readonly string[]): Readonly<Record<string, string>> {
  const passed = names.flatMap((name): [string, string][] => {
    const value = headers.get(name);
    return value !== null && isHeaderValue(value, PASSED_CHARS_MAX) ? [[name, value]] : [];
  });
  return Object.fromEntries(passed);
}
