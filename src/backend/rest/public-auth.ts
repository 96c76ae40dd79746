import type { ContinueTrace, PublicAnswer, PublicBackend, PublicCallContext } from "../../core/backend.ts";
import type { UpstreamPool } from "../upstreams/upstream-pool.ts";
import type { Upstreams } from "../upstreams/upstreams.ts";
import { requireGatewayAccepted, requireJson } from "./answer-checks.ts";
import { publicHeaders } from "./command-headers.ts";
import { type HttpAnswer, isUsed } from "./http-client.ts";
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
  readonly outageLog?: OutageLog | undefined;
}

/** Maximum number of concurrent login calls: 16 of the 256 fetches that Bun runs at a time (see `ConcurrencyLimiter`). */
const LOGIN_CALLS_MAX = 16;

const RETRY_AFTER_SECONDS = /^\d{1,6}$/;

/**
 * Forwards login calls to the backend. The caller must first validate the body of each call (service/public/public-schema.ts).
 */
export class PublicAuth implements PublicBackend {
  readonly #options: PublicAuthOptions;
  readonly #pool: UpstreamPool;

  constructor(options: PublicAuthOptions) {
    this.#options = options;
    this.#pool = options.upstreams.pool("logins", LOGIN_CALLS_MAX, options.responseBytesMax);
  }

  async forward(path: string, body: object, context: PublicCallContext, signal: AbortSignal): Promise<PublicAnswer> {
    const call = {
      method: "POST",
      target: path,
      headers: publicHeaders(context, this.#options.trace(context)),
      body: JSON.stringify(body),
      timeoutMs: this.#options.timeoutMs,
      signal,
    } as const;
    try {
      const answer = await this.#pool.call(call, toPublicAnswer);
      this.#options.outageLog?.succeeded();
      return answer;
    } catch (thrown) {
      if (!(thrown instanceof HttpFailure)) throw thrown;
      this.#options.outageLog?.failed(thrown);
      throw backendRefusal(thrown);
    }
  }
}

function toPublicAnswer(answer: HttpAnswer): PublicAnswer {
  requireGatewayAccepted(answer);
  const { status, headers, body } = answer;
  const retryAfter = headers.get("retry-after");
  if (!isUsed(answer)) throw failureOfStatus(status);
  const contentType = requireJson(answer);
  const seconds = retryAfter !== null && RETRY_AFTER_SECONDS.test(retryAfter) ? retryAfter : undefined;
  return { status, contentType, body, retryAfter: seconds };
}
