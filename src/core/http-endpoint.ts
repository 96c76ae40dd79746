import type { Peer } from "./admission.ts";

/** A plain HTTP call that the edge serves beside the RPCs, at exactly one path. */
export interface HttpEndpoint {
  readonly path: string;
  /** Answers every method. Throws `RestError`. */
  serve(call: HttpCall): Promise<Response>;
}

export interface HttpCall {
  readonly request: Request;
  readonly peer: Peer;
  /** Reads the whole body. Throws `BodyTooLarge`; `BodyTooSlow` if it does not arrive in time. */
  readBody(bytesMax: number): Promise<Uint8Array>;
}
