import type { Peer } from "../core/admission.ts";
import type { Route } from "../core/backend.ts";
import type { BucketDemand } from "../core/buckets.ts";
import type { Session } from "../core/sessions.ts";
import type { RequestEnvelope } from "../gen/sallyport/v1/gateway_pb.ts";

/**
 * The property that makes each proof type unique. A check takes the proof of the previous check, and is the only function that
 * builds its own proof. So code that calls two checks in the wrong order does not compile.
 */
declare const proof: unique symbol;
type Proof<Check extends string> = { readonly [proof]: { readonly [C in Check]: true } };

/** The RPC that carries the message. A signature for one RPC is not valid for another RPC. */
export type Rpc = "ExecuteCommand" | "SubscribeEvents" | "FetchEvents";

/** A decoded request message. None of its fields is verified. */
export interface SignedMessage {
  readonly envelope?: RequestEnvelope | undefined;
  readonly payloadBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** The input of the pipeline: a message and its peer. */
export interface IncomingRequest {
  readonly rpc: Rpc;
  readonly message: SignedMessage;
  readonly peer: Peer;
  /** The cost of reading and decoding the message, in tokens of the failure bucket. 0 if the message was cheap to read. */
  readonly cost: number;
}

interface Request {
  readonly rpc: Rpc;
  readonly peer: Peer;
  readonly envelope: RequestEnvelope;
  readonly payloadBytes: Uint8Array;
  readonly signature: Uint8Array;
}

interface SessionRequest extends Request {
  readonly session: Session;
  /** The session was active up to this position in the revocation log. A later revocation may have ended the session. */
  readonly mark: number;
}

/**
 * Check 0 passed: the failure bucket has enough tokens. `failureDemand` names this bucket. The request holds `permits` tokens of
 * the bucket until the request has failed or succeeded.
 */
export type PrecheckedRequest = IncomingRequest & {
  readonly failureDemand: BucketDemand;
  readonly permits: number;
} & Proof<"peer">;
/** Check 1 passed: every field follows the rules of the contract. */
export type WellFormed = Request & Proof<"envelope">;
/** Check 2 passed: the session exists and is active. */
export type KnownSession = SessionRequest & Proof<"session">;
/** Check 3 passed: the payload matches the hash in the envelope. */
export type IntactPayload = SessionRequest & Proof<"payload">;
/** Check 4 passed: the device signed this envelope. */
export type VerifiedCaller = SessionRequest & Proof<"signature">;
/** Checks 5 and 6 passed: the timestamp is fresh and the request id is reserved. */
export type FreshRequest = SessionRequest & Proof<"freshness">;
/** Check 7 passed: the request took one token from each of its buckets. It may now go to the backend or to the hub. */
export type AdmittedRequest = SessionRequest & { readonly route: Route | undefined } & Proof<"budgets">;

type AnyProof = PrecheckedRequest | WellFormed | KnownSession | IntactPayload | VerifiedCaller | FreshRequest | AdmittedRequest;

/** Builds the proof of a check. This is the only cast in the pipeline. Each check calls `proven` once, as its last step. */
export function proven<T extends AnyProof>(value: Omit<T, typeof proof>): T {
  return value as T;
}
