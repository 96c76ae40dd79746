import { RestError } from "../../../core/rest-reply.ts";

/** Creates the error of an invalid call. `detail` is sent to the client. */
export function invalid(detail: string): RestError {
  return new RestError("invalid_request", detail);
}
