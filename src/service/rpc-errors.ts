import { Code, ConnectError } from "@connectrpc/connect";
import { REFUSAL_DOMAIN, type Reason, Refusal, type RefusalCode, toRefusal } from "../core/refusal.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";

/** The catalogue's codes as the RPC protocols number them. */
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
 * The error that a client gets for what ended its call; the one place where refusals become errors of the RPC protocols. A ConnectError
 * is an error of the protocol or of a standard service, and is returned as it is. Anything else is a refusal, or becomes INTERNAL. The
 * cause of a refusal is not sent.
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

/** The delay for programs (RetryInfo) and for HTTP (Retry-After counts whole seconds; rounded up, so that nobody is early). */
function addRetry(error: ConnectError, retryAfterMs: number): void {
  const ms = Math.ceil(retryAfterMs);
  const retryDelay = { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
  error.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  error.metadata.set("retry-after", String(Math.max(1, Math.ceil(ms / 1000))));
}

/** The reason out of the catalogue, for logs and metrics; none for errors of the protocol itself. */
export function reasonOf(thrown: unknown): Reason | undefined {
  if (thrown instanceof ConnectError) return undefined;
  return thrown instanceof Refusal ? thrown.reason : "INTERNAL";
}
