import { Code, ConnectError } from "@connectrpc/connect";
import { REFUSAL_DOMAIN, type Reason, Refusal, type RefusalCode, toRefusal } from "../core/refusal.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";

/** The codes of the catalogue as numbers of the RPC protocols. */
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
 * Converts what ended a call to the error that its client gets. A ConnectError is an error of the protocol or of a standard service and is
 * returned unchanged. A Refusal gets its code and details; anything else becomes INTERNAL. Causes are not sent.
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

/** Adds the delay as RetryInfo and as Retry-After, which is in whole seconds and is rounded up. */
function addRetry(error: ConnectError, retryAfterMs: number): void {
  const ms = Math.ceil(retryAfterMs);
  const retryDelay = { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
  error.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  error.metadata.set("retry-after", String(Math.max(1, Math.ceil(ms / 1000))));
}

/** The reason in the catalogue, for logs and metrics. `undefined` for protocol errors. */
export function reasonOf(thrown: unknown): Reason | undefined {
  if (thrown instanceof ConnectError) return undefined;
  return thrown instanceof Refusal ? thrown.reason : "INTERNAL";
}
