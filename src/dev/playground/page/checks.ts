import type { SizeLimits } from "../setup.ts";

/**
 * The nine checks of the gateway, in their order (proto/README.md, "Order of checks"). `checkOf` finds the check of a refusal.
 */

export type CheckNumber = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

export interface Check {
  readonly number: CheckNumber;
  readonly name: string;
  /** The question that the check answers about a request. */
  readonly question: string;
  /** What the check prevents. */
  readonly stops: string;
}

export const CHECKS: readonly Check[] = [
  {
    number: 0,
    name: "Transport",
    question: "Is the call well-formed and within its limits?",
    stops: "Floods of garbage. An address that fails too often is refused before its next body is read.",
  },
  {
    number: 1,
    name: "Envelope",
    question: "Does each field of the envelope keep its rule?",
    stops: "Requests that are not exactly as the contract says.",
  },
  {
    number: 2,
    name: "Session",
    question: "Does the session exist, and is it active?",
    stops: "Unknown sessions and revoked sessions.",
  },
  {
    number: 3,
    name: "Payload",
    question: "Is the SHA-256 of the payload the hash in the envelope?",
    stops: "A payload that was changed on the way.",
  },
  {
    number: 4,
    name: "Signature",
    question: "Did the key of this session sign this envelope?",
    stops: "Forged requests. Only the device has the private key.",
  },
  {
    number: 5,
    name: "Freshness",
    question: "Was the request signed just now?",
    stops: "Recorded requests that are sent much later.",
  },
  {
    number: 6,
    name: "Replay",
    question: "Is the request id new for this session?",
    stops: "Recorded requests that are sent again at once. A command is executed once.",
  },
  {
    number: 7,
    name: "Budgets",
    question: "Do address, session, user and message type have budget left?",
    stops: "Clients that send too much. All four budgets pay, or none.",
  },
  {
    number: 8,
    name: "Routing",
    question: "Which backend call serves this message type?",
    stops: "Calls that no route names. Now the backend is called, for the first time.",
  },
];

/** For each reason, the check that refuses with this reason. A reason that is not listed comes from no check. */
const CHECK_OF_REASON: Readonly<Record<string, CheckNumber>> = {
  MALFORMED_ENVELOPE: 1,
  UNSUPPORTED_PROTOCOL_VERSION: 1,
  SESSION_NOT_FOUND: 2,
  SESSION_REVOKED: 2,
  SESSION_LOOKUP_UNAVAILABLE: 2,
  PAYLOAD_HASH_MISMATCH: 3,
  SIGNATURE_INVALID: 4,
  TIMESTAMP_OUT_OF_WINDOW: 5,
  REQUEST_REPLAYED: 6,
  REPLAY_STORE_UNAVAILABLE: 6,
  RATE_LIMITED: 7,
  IDEMPOTENCY_KEY_REUSED: 7,
  MESSAGE_TYPE_UNKNOWN: 8,
  PAYLOAD_INVALID: 8,
  BACKEND_UNAVAILABLE: 8,
  BACKEND_TIMEOUT: 8,
  BACKEND_BAD_RESPONSE: 8,
};

/** Error codes. An error with such a code and without a reason means that the gateway could not read the request. */
const UNREADABLE_CODES: ReadonlySet<string> = new Set(["invalid_argument", "unimplemented", "resource_exhausted"]);

/** Returns the check that refused; `undefined` if the error does not come from a check. */
export function checkOf(
  reason: string | undefined,
  code: string,
  metadata: Readonly<Record<string, string>>,
  limits: SizeLimits,
): CheckNumber | undefined {
  if (reason === undefined) return UNREADABLE_CODES.has(code) ? 0 : undefined;
  if (reason === "RATE_LIMITED" && metadata["scope"] === "failures") return 0;
  if (reason === "REQUEST_TOO_LARGE") return sizeCheck(Number(metadata["limit_bytes"]), limits);
  return Object.hasOwn(CHECK_OF_REASON, reason) ? CHECK_OF_REASON[reason] : undefined;
}

/** Returns the check that has this maximum size. The only other maximum is that of a route. */
function sizeCheck(limitBytes: number, { request_bytes_max, payload_bytes_max }: SizeLimits): CheckNumber {
  if (limitBytes === request_bytes_max) return 0;
  return limitBytes === payload_bytes_max ? 1 : 8;
}
