import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { REFUSAL_DOMAIN, type Reason } from "../core/reasons.ts";
import { REFUSALS, Refusal, type RefusalCode, toRefusal } from "../core/refusal.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";

/** Maps each refusal code of the catalogue to its number in the RPC protocols. */
const CODES: Readonly<Record<RefusalCode, Code>> = {
  invalid_argument: Code.InvalidArgument,
  deadline_exceeded: Code.DeadlineExceeded,
  resource_exhausted: Code.ResourceExhausted,
  failed_precondition: Code.FailedPrecondition,
  unimplemented: Code.Unimplemented,
  internal: Code.Internal,
  unavailable: Code.Unavailable,
  unauthenticated: Code.Unauthenticated,
};

/**
 * Converts the error that ended a call to the error that the client gets.
 *
 * - A `ConnectError` is an error of the protocol or of a standard service. It is returned unchanged.
 * - A `Refusal` is converted to an error with the code and the details of the refusal.
 * - Any other error is converted to INTERNAL.
 *
 * The cause of an error is never sent to a client.
 */
export function toConnectError(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const refusal = toRefusal(thrown);
  const error = new ConnectError(refusal.message, CODES[refusal.code]);
  error.details.push({
    desc: ErrorInfoSchema,
    value: { reason: refusal.reason, domain: REFUSAL_DOMAIN, metadata: { ...refusal.metadata } },
  });
  if (refusal.retryAfterMs !== undefined) addRetry(error, refusal.retryAfterMs);
  return error;
}

/**
 * Adds the retry delay to an error, in two forms: the detail RetryInfo, and the header Retry-After in whole seconds, rounded
 * up.
 */
function addRetry(error: ConnectError, retryAfterMs: number): void {
  const ms = Math.ceil(retryAfterMs);
  const retryDelay = { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
  error.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  error.metadata.set("retry-after", String(Math.max(1, Math.ceil(ms / 1000))));
}

/**
 * Returns the name of the status code that the client gets for a thrown error, for logs and metrics. Does not call
 * `toConnectError`, which is slow.
 */
export function codeNameOf(thrown: unknown): string {
  if (thrown instanceof ConnectError) return codeToString(thrown.code);
  return thrown instanceof Refusal ? thrown.code : REFUSALS.INTERNAL.code;
}

/**
 * Returns the catalogue reason of a thrown error, for logs and metrics. A protocol error has no reason. Any other error that is not
 * a refusal has the reason INTERNAL.
 */
export function reasonOf(thrown: unknown): Reason | undefined {
  if (thrown instanceof ConnectError) return undefined;
  return thrown instanceof Refusal ? thrown.reason : "INTERNAL";
}
