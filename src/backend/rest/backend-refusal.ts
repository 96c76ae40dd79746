import { type Reason, type Refusal, refuse } from "../../core/refusal.ts";
import type { HttpFailure, HttpFailureKind } from "./http-failure.ts";

const REASONS: Readonly<Record<HttpFailureKind, Reason>> = {
  unavailable: "BACKEND_UNAVAILABLE",
  timeout: "BACKEND_TIMEOUT",
  bad_response: "BACKEND_BAD_RESPONSE",
  // Nobody waits for this answer any more, unless it is a deadline of the caller's that has passed.
  aborted: "BACKEND_TIMEOUT",
};

/** What the client is told of a failed call; why it failed stays here. */
export function backendRefusal(failure: HttpFailure): Refusal {
  return refuse(REASONS[failure.kind], { cause: failure.cause });
}
