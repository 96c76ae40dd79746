import type { FlatSchema } from "../core/flat-schema.ts";

export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;
export type RouteMethod = (typeof METHODS)[number];

export const PAYLOAD_FORMS = ["json", "raw"] as const;
export type PayloadForm = (typeof PAYLOAD_FORMS)[number];

/** One message type and the backend call that serves it. */
export type RouteConfig = {
  readonly message_type: string;
  readonly method: RouteMethod;
  /** A path template. A variable takes its value from the payload. */
  readonly path: string;
  /**
   * The content of the body: `*` for all fields that the path does not use, the name of one field, or an empty text for no
   * body. Default: `*` for POST, PUT and PATCH, no body for GET and DELETE.
   */
  readonly body?: string | undefined;
  /** The field of the client's payload that contains the backend's answer. Default: the answer is the whole payload. */
  readonly response_body?: string | undefined;
  /** The JSON Schema of the payload: a file, relative to the folder of the configuration file. Default: any payload. */
  readonly schema?: string | undefined;
  /** The schema in the file `schema`, and all schemas that it refers to. They are read together with the configuration. */
  readonly schema_document?: FlatSchema | undefined;
  /** Form of the payload: `json`, or `raw` for any bytes. Raw bytes become the body unchanged. Default: `json`. */
  readonly request?: PayloadForm | undefined;
  /** Content-Type of a raw payload. Default: `application/octet-stream`. */
  readonly request_content_type?: string | undefined;
  /**
   * Form of the backend's 2xx answer: `json`, or `raw` for any bytes. Raw bytes become the client's payload unchanged. Default:
   * `json`.
   */
  readonly response?: PayloadForm | undefined;
  /** Media type that a raw answer must have. Default: any. */
  readonly response_content_type?: string | undefined;
  /** Timeout of the backend call, in ms. Default: the setting `backend.timeout_ms`. */
  readonly timeout_ms?: number | undefined;
  /** Maximum size of the payload, in bytes. Default: the setting `limits.payload_bytes_max`. */
  readonly payload_bytes_max?: number | undefined;
  /** Maximum size of the backend's answer, in bytes. Default: the setting `backend.response_bytes_max`. */
  readonly response_bytes_max?: number | undefined;
  /** Maximum number of repeats of a call at other addresses. Default: the setting `backend.retries_max`. */
  readonly retries_max?: number | undefined;
  /** How long the answer to a request with an idempotency key is kept, in ms. Default: answers are not kept. */
  readonly keep_answer_ms?: number | undefined;
  /** The budget of each user for this message type. Default: no such budget. */
  readonly budget?: RouteBudget | undefined;
};

/**
 * A token bucket: `rate` tokens a second, at most `burst` tokens. `shadow`: requests over the budget are counted, not refused.
 */
export type RouteBudget = { readonly rate: number; readonly burst: number; readonly shadow?: boolean | undefined };

/** A route as it is written: the call is `method` and `path`, or one of `get`, `put`, `post`, `patch` and `delete`. */
export type WrittenRoute = Omit<RouteConfig, "method" | "path" | "schema_document"> & {
  readonly method?: RouteMethod | undefined;
  readonly path?: string | undefined;
  readonly get?: string | undefined;
  readonly put?: string | undefined;
  readonly post?: string | undefined;
  readonly patch?: string | undefined;
  readonly delete?: string | undefined;
  readonly additional_bindings?: undefined;
};
