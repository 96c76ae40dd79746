import type { ContinueTrace, PublicAnswer, PublicBackend, PublicCallContext } from "../../core/ports.ts";
import { backendRefusal } from "./backend-refusal.ts";
import { publicHeaders } from "./command-headers.ts";
import { requireGatewayAccepted } from "./gateway-refused.ts";
import { type HttpAnswer, HttpClient } from "./http-client.ts";
import { failureOfStatus, HttpFailure } from "./http-failure.ts";
import { requireJson } from "./json-answer.ts";
import type { OutageLog } from "./outage-log.ts";

export interface PublicAuthOptions {
  /** The backend's base URL. */
  readonly url: string;
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  readonly token?: string | undefined;
  /** Continues the client's trace in the call to the backend, or begins one. */
  readonly trace: ContinueTrace;
  readonly report?: OutageLog | undefined;
}

/** Of the 256 fetches that Bun runs at once. */
const LOGIN_CALLS_MAX = 16;

const RETRY_AFTER_SECONDS = /^\d{1,6}$/;

/** Forwards the login calls to the backend; what they may hold has been checked before. */
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
      const answer = passOn(await this.#http.call(call));
      this.#options.report?.succeeded();
      return answer;
    } catch (thrown) {
      if (!(thrown instanceof HttpFailure)) throw thrown;
      this.#options.report?.failed(thrown);
      throw backendRefusal(thrown);
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.#http.close();
  }
}

function passOn(answer: HttpAnswer): PublicAnswer {
  requireGatewayAccepted(answer);
  const { status, headers, body } = answer;
  const retryAfter = headers.get("retry-after");
  const isAnswer = (status >= 200 && status < 300) || (status >= 400 && status < 500);
  if (!isAnswer) throw failureOfStatus(status);
  const contentType = requireJson(status, headers, body);
  const seconds = retryAfter !== null && RETRY_AFTER_SECONDS.test(retryAfter) ? retryAfter : undefined;
  return { status, contentType, body, retryAfter: seconds };
}
