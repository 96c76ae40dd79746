import type { Budget } from "../../core/buckets.ts";
import type { FlatSchema } from "../../core/flat-schema.ts";
import { OCTET_STREAM } from "../../core/media-type.ts";
import { effectiveBody } from "../../core/route-template.ts";
import { PayloadSchema } from "../../schema/payload-schema.ts";
import type { HttpMethod } from "./http-client.ts";
import { PathTemplate } from "./path-template.ts";

/** One `[[routes]]` entry of the configuration file. */
export interface RouteEntry {
  readonly message_type: string;
  readonly method: HttpMethod;
  readonly path: string;
  readonly body?: string | undefined;
  readonly response_body?: string | undefined;
  readonly schema_document?: FlatSchema | undefined;
  readonly request?: "json" | "raw" | undefined;
  readonly request_content_type?: string | undefined;
  readonly response?: "json" | "raw" | undefined;
  readonly response_content_type?: string | undefined;
  readonly timeout_ms?: number | undefined;
  readonly payload_bytes_max?: number | undefined;
  readonly response_bytes_max?: number | undefined;
  readonly retries_max?: number | undefined;
  readonly keep_answer_ms?: number | undefined;
  readonly budget?: RouteBudgetEntry | undefined;
}

interface RouteBudgetEntry {
  readonly rate: number;
  readonly burst: number;
  readonly shadow?: boolean | undefined;
}

export interface CompiledRoute {
  readonly messageType: string;
  readonly method: HttpMethod;
  readonly path: PathTemplate;
  /**
   * The content of the HTTP body. `*`: all fields of the payload that the path does not use. A name: the value of this payload
   * field. Empty: no body.
   */
  readonly body: string;
  /** Whether a query field may be an object. Each field of the object is then one parameter. Otherwise, objects are refused. */
  readonly isQueryNested: boolean;
  /** The field of the response payload that contains the backend's body. `undefined`: the body is the whole payload. */
  readonly responseBody: string | undefined;
  /** The schema of the payload. `undefined`: any payload. */
  readonly schema: PayloadSchema | undefined;
  /** The Content-Type of a raw payload. `undefined`: the payload is JSON. */
  readonly rawType: string | undefined;
  /** Whether the body of a 2xx answer may be any bytes. If not, it must be JSON or empty. */
  readonly isAnswerRaw: boolean;
  /** The media type that a raw answer must have. `undefined`: any. */
  readonly answerType: string | undefined;
  /** Timeout of the backend calls of this route, in ms. If it is `undefined`, the setting `backend.timeout_ms` applies. */
  readonly timeoutMs: number | undefined;
  /** Maximum size of the payload, in bytes. `undefined`: only the limit for all requests applies. */
  readonly payloadBytesMax: number | undefined;
  /** Maximum size of the answer, in bytes. `undefined`: the setting `backend.response_bytes_max` applies. */
  readonly responseBytesMax: number | undefined;
  /** Maximum number of repeats of a call. `undefined`: the setting `backend.retries_max` applies. */
  readonly retriesMax: number | undefined;
  /** How long the answers of this route are kept, in ms; `undefined` if they are not kept. */
  readonly keepAnswerMs: number | undefined;
  readonly budget: Budget | undefined;
}

/** The routes of one configuration, one for each message type. The table never changes. */
export class RouteTable {
  readonly #routes = new Map<string, CompiledRoute>();

  /** Throws a TypeError if a path is invalid or a message type has two routes. Throws `SchemaProblem` if a schema is invalid. */
  constructor(entries: readonly RouteEntry[]) {
    for (const entry of entries) {
      if (this.#routes.has(entry.message_type)) throw new TypeError(`message type ${entry.message_type}: has two routes`);
      this.#routes.set(entry.message_type, compile(entry));
    }
  }

  find(messageType: string): CompiledRoute | undefined {
    return this.#routes.get(messageType);
  }
}

function compile(entry: RouteEntry): CompiledRoute {
  return {
    messageType: entry.message_type,
    method: entry.method,
    path: new PathTemplate(entry.path),
    body: effectiveBody(entry),
    isQueryNested: entry.body !== undefined,
    responseBody: entry.response_body,
    schema: entry.schema_document && PayloadSchema.of(entry.schema_document),
    rawType: entry.request === "raw" ? (entry.request_content_type ?? OCTET_STREAM) : undefined,
    isAnswerRaw: entry.response === "raw",
    answerType: entry.response_content_type,
    timeoutMs: entry.timeout_ms,
    payloadBytesMax: entry.payload_bytes_max,
    responseBytesMax: entry.response_bytes_max,
    retriesMax: entry.retries_max,
    keepAnswerMs: entry.keep_answer_ms,
    budget: compileBudget(entry.budget),
  };
}

function compileBudget(entry: RouteBudgetEntry | undefined): Budget | undefined {
  return entry && { ratePerSecond: entry.rate, burst: entry.burst, shadow: entry.shadow };
}
