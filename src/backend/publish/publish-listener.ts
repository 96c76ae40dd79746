import { describeCause } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import { codingsOf } from "../../core/content-coding.ts";
import { utf8Text } from "../../core/json-body.ts";
import { PUBLISH_BATCH_MAX, PUBLISH_BODY_BYTES_MAX } from "../../core/limits.ts";
import type { ListenAddress } from "../../core/listen.ts";
import { isJsonContent } from "../../core/media-type.ts";
import { EventIdReused, type Publisher, PublishUnavailable } from "../../core/publisher.ts";
import { jsonReply, RestError } from "../../core/rest-reply.ts";
import type { Log } from "../../core/telemetry.ts";
import { BodyTooLarge, BodyTooScattered, BodyTooSlow } from "../../rpc/http.ts";
import { openBunListener } from "../../transport/bun/bun-listener.ts";
import { exactApp, type RouteHandler } from "../../transport/bun/exact-app.ts";
import { readBounded } from "../../transport/bun/fetch-host.ts";
import { queryOf } from "../../transport/bun/request-url.ts";
import { BodyTimers } from "../../transport/limits/body-timers.ts";
import type { Listener } from "../../transport/listener.ts";
import type { BearerTokens } from "./bearer-tokens.ts";
import { InvalidItems, readEvents, readRevocations } from "./publish-body.ts";
import { PublishRate } from "./publish-rate.ts";

export interface PublishListenerParts {
  readonly listen: ListenAddress;
  readonly tokens: BearerTokens;
  readonly publisher: Publisher;
  /** Maximum number of events and revocations per second. */
  readonly itemsPerSecondMax: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Timeout for the complete body of a request, in ms. */
  readonly bodyMs: number;
}

const IDLE_TIMEOUT_SECONDS = 30;
/** If a body exceeds this size, Bun closes the connection without a response. For smaller bodies, the handler sends an answer. */
const RUNTIME_BODY_BYTES_MAX = 64 * 1024 * 1024;
/** Maximum number of calls whose body is being read or whose events are being written. It bounds the memory of their bodies. */
const CALLS_MAX = 32;

/**
 * Opens the private listener, on which the backend publishes events and revocations.
 *
 * A request without a valid bearer token is refused before its body is read. A request with `Origin` or `Sec-Fetch-Site` is refused
 * because it may come from a web page. No CORS header is sent.
 */
export function openPublishListener(parts: PublishListenerParts): Listener {
  const { listen, log } = parts;
  const calls = new PublishCalls(parts);
  const post = (serve: (request: Request) => Promise<Response>): RouteHandler => {
    return (request) => {
      calls.checkCaller(request);
      if (request.method !== "POST") throw new RestError("method_not_allowed", undefined, { allow: "POST" });
      return calls.limited(() => serve(request));
    };
  };
  const exact = {
    routes: { "/publish": post((request) => calls.publish(request)), "/revoke": post((request) => calls.revoke(request)) },
    otherwise: (request: Request) => {
      calls.checkCaller(request);
      return new RestError("not_found").toResponse();
    },
    failed: (error: unknown) => toResponse(error, log),
  };
  return openBunListener((reuse) => exactApp(exact, reuse), {
    what: "the private listener",
    listen,
    bodyBytesMax: RUNTIME_BODY_BYTES_MAX,
    idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS,
  });
}

class PublishCalls {
  readonly #parts: PublishListenerParts;
  readonly #rate: PublishRate;
  readonly #bodyTimers: BodyTimers;
  #running = 0;

  constructor(parts: PublishListenerParts) {
    this.#parts = parts;
    this.#rate = new PublishRate(parts.itemsPerSecondMax, PUBLISH_BATCH_MAX, parts.clock);
    this.#bodyTimers = new BodyTimers(parts.bodyMs);
  }

  /** Throws `RestError` if the request has no valid token, or may come from a web page. */
  checkCaller({ headers, url }: Request): void {
    if (!this.#parts.tokens.accepts(headers.get("authorization")))
      throw new RestError("unauthenticated", undefined, { "www-authenticate": 'Bearer realm="sallyport"' });
    if (headers.has("origin") || headers.has("sec-fetch-site"))
      throw new RestError("forbidden", "web pages must not publish events");
    // A token in the query would be logged by proxies, so no query is accepted at all.
    if (queryOf(url) !== "" || url.includes("?")) throw new RestError("invalid_request", "the URL must have no query");
  }

  /** Runs `serve`. Throws `RestError` if `CALLS_MAX` calls are already running. */
  async limited(serve: () => Promise<Response>): Promise<Response> {
    if (this.#running >= CALLS_MAX)
      throw new RestError("unavailable", "too many calls at the same time", { "retry-after": "1" });
    this.#running++;
    try {
      return await serve();
    } finally {
      this.#running--;
    }
  }

  async publish(request: Request): Promise<Response> {
    const { events, isBatch } = readEvents(await this.#readText(request));
    this.#charge(events.length);
    const published = await this.#parts.publisher.publish(events);
    const results = published.map(({ isDuplicate }, index) => {
      return { event_id: events[index]?.eventId || null, duplicate: isDuplicate };
    });
    return jsonReply(200, isBatch ? { events: results } : results[0]);
  }

  async revoke(request: Request): Promise<Response> {
    const revocations = readRevocations(await this.#readText(request));
    this.#charge(revocations.length);
    await this.#parts.publisher.revoke(revocations);
    return jsonReply(200, { revocations: revocations.length });
  }

  #charge(items: number): void {
    const waitMs = this.#rate.take(items);
    if (waitMs > 0) throw new RestError("rate_limited", undefined, { "retry-after": String(Math.ceil(waitMs / 1000)) });
  }

  async #readText(request: Request): Promise<string> {
    const { headers } = request;
    if (!isJsonContent(headers.get("content-type"))) throw new RestError("unsupported_media_type");
    if (codingsOf(headers.get("content-encoding")).length > 0)
      throw new RestError("unsupported_media_type", "content-encoding is not supported");
    const text = utf8Text(await this.#readBody(request));
    if (text === undefined) throw new RestError("invalid_request", "the body must be JSON in UTF-8");
    return text;
  }

  async #readBody(request: Request): Promise<Uint8Array> {
    try {
      return await readBounded(request, PUBLISH_BODY_BYTES_MAX, this.#bodyTimers);
    } catch (error) {
      if (error instanceof BodyTooLarge) throw new RestError("payload_too_large", `at most ${PUBLISH_BODY_BYTES_MAX} bytes`);
      const isSlow = error instanceof BodyTooSlow || error instanceof BodyTooScattered;
      throw new RestError("invalid_request", isSlow ? error.message : "the body is incomplete", {}, error);
    }
  }
}

function toResponse(error: unknown, log: Log): Response {
  if (error instanceof RestError) return error.toResponse();
  if (error instanceof InvalidItems) {
    const { problems, message } = error;
    const errors = problems.map(({ index, field, message }) => ({ index, field: field ?? null, message }));
    return jsonReply(400, { code: "invalid_request", message, errors });
  }
  if (error instanceof EventIdReused) return new RestError("event_id_reused", `item ${error.index}`).toResponse();
  if (error instanceof PublishUnavailable) {
    log.warn("publish call refused", {
      reason: error.message,
      cause: error.cause === undefined ? undefined : describeCause(error.cause),
    });
    return new RestError("unavailable", undefined, { "retry-after": "1" }).toResponse();
  }
  log.error("unexpected error in private listener", { cause: describeCause(error) });
  return new RestError("internal").toResponse();
}
