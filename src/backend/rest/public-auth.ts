import type { ContinueTrace, PublicAnswer, PublicBackend, PublicCallContext } from "../../core/backend.ts";
import { requireGatewayAccepted, requireJson } from "./answer-checks.ts";
import { publicHeaders } from "./command-headers.ts";
import { type HttpAnswer, HttpClient, isUsed } from "./http-client.ts";
import { backendRefusal, failureOfStatus, HttpFailure } from "./http-failure.ts";
import type { OutageLog } from "./outage-log.ts";

export interface PublicAuthOptions {
  /** The backend's base URL. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  readonly token?: string | undefined;
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
  readonly #http: HttpClient;

  constructor(options: PublicAuthOptions) {
    this.#options = options;
    this.#http = new HttpClient({ ...options, callsMax: LOGIN_CALLS_MAX });
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
      const answer = toPublicAnswer(await this.#http.call(call));
      this.#options.outageLog?.succeeded();
      return answer;
    } catch (thrown) {
      if (!(thrown instanceof HttpFailure)) throw thrown;
      this.#options.outageLog?.failed(thrown);
      throw backendRefusal(thrown);
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#http.close();
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
