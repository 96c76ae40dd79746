import type { Peer } from "./admission.ts";

/** Serves the plain HTTP calls at one path of the edge. */
export interface HttpEndpoint {
  readonly path: string;
  /** Methods that pages of other origins may use, in addition to GET and POST. */
  readonly methods?: readonly string[] | undefined;
  /** Response headers that pages of other origins may read, in addition to the headers that they may read at every endpoint. */
  readonly exposedHeaders?: readonly string[] | undefined;
  /** Called for every HTTP method. Throws `RestError`. */
  serve(call: HttpCall): Promise<Response>;
}

/** Endpoints whose paths can change while the edge runs. */
export interface EndpointSource {
  /** Returns the endpoint of a path as received. Never decodes or normalises the path. */
  find(path: string): HttpEndpoint | undefined;
}

export interface HttpCall {
  readonly request: Request;
  /** The path as received. */
  readonly path: string;
  /** The query as received, without its question mark. Empty if there is none. */
  readonly query: string;
  readonly peer: Peer;
  /**
   * Reads the whole body. Throws `BodyTooLarge` if it has more than `bytesMax` bytes, and `BodyTooSlow` if it does not arrive
   * in time.
   */
  readBody(bytesMax: number): Promise<Uint8Array>;
}
