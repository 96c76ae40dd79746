import type { Peer } from "./admission.ts";

/** The handler of plain HTTP calls at one exact path. The edge serves it in addition to the RPCs. */
export interface HttpEndpoint {
  readonly path: string;
  /** Called for every HTTP method. Throws `RestError`. */
  serve(call: HttpCall): Promise<Response>;
}

export interface HttpCall {
  readonly request: Request;
  readonly peer: Peer;
  /**
   * Reads the whole body. Throws `BodyTooLarge` if it has more than `bytesMax` bytes, and `BodyTooSlow` if it does not arrive
   * in time.
   */
  readBody(bytesMax: number): Promise<Uint8Array>;
}
