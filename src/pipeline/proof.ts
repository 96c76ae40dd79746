import type { BucketDemand, Peer, Route, Session } from "../core/ports.ts";
import type { RequestEnvelope } from "../gen/sallyport/v1/gateway_pb.ts";

/**
 * What each stage has proved, as types. A stage takes the proof of the stage before it and is the only one that builds its
 * own: to call two stages in the wrong order does not compile.
 */
declare const proof: unique symbol;
type Proof<Stage extends string> = { readonly [proof]: { readonly [S in Stage]: true } };

/** Which RPC carries the message. A signature for one is never good for the other. */
export type Rpc = "ExecuteCommand" | "SubscribeEvents";

/** A message as it came off the wire; nothing about it is known. */
export interface SignedMessage {
  readonly envelope?: RequestEnvelope | undefined;
  readonly payloadBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** A message with where it came from: what the pipeline is given. */
export interface IncomingRequest {
  readonly rpc: Rpc;
  readonly message: SignedMessage;
  readonly peer: Peer;
  /** How many failures it may have cost as much as to read it; 0 where it was cheap. */
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
  /** The revocation log's mark as of which the session is known to be active. */
  readonly mark: number;
}

/** Check 0 passed: a failure bucket of the peer's has the tokens, which are held until the request is verified. */
export type PrecheckedRequest = IncomingRequest & {
  readonly failureDemand: BucketDemand;
  readonly permits: number;
} & Proof<"peer">;
/** Check 1 passed: every field keeps the rules of the contract. */
export type WellFormed = Request & Proof<"envelope">;
/** Check 2 passed: the session exists and is active. */
export type KnownSession = SessionRequest & Proof<"session">;
/** Check 3 passed: the payload is the one that the envelope names. */
export type IntactPayload = SessionRequest & Proof<"payload">;
/** Check 4 passed: the device signed this envelope. */
export type VerifiedCaller = SessionRequest & Proof<"signature">;
/** Checks 5 and 6 passed: signed just now, and never seen before. */
export type FreshRequest = SessionRequest & Proof<"freshness">;
/** Check 7 passed: every budget gave its token. The request may go to the backend or to the hub. */
export type AdmittedRequest = SessionRequest & { readonly route: Route | undefined } & Proof<"budgets">;

type AnyProof = PrecheckedRequest | WellFormed | KnownSession | IntactPayload | VerifiedCaller | FreshRequest | AdmittedRequest;

/** Makes a stage's proof. The only cast in the pipeline; each stage's file calls it once, as its last step. */
export function proven<T extends AnyProof>(value: Omit<T, typeof proof>): T {
  return value as T;
}
