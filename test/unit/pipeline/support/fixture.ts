import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Route } from "../../../../src/core/backend.ts";
import type { BucketDemand, BucketStore } from "../../../../src/core/buckets.ts";
import { LocalHeldCounts } from "../../../../src/core/held-counts.ts";
import { Refusal } from "../../../../src/core/refusal.ts";
import type { Session } from "../../../../src/core/sessions.ts";
import { privateKeyObject, rawPublicKey, sha256, signEd25519, verifyingKey } from "../../../../src/crypto/ed25519.ts";
import { KeyRing } from "../../../../src/crypto/key-ring.ts";
import { requestSigningInput } from "../../../../src/crypto/signing-input.ts";
import { type RequestEnvelope, RequestEnvelopeSchema } from "../../../../src/gen/sallyport/v1/gateway_pb.ts";
import { FailurePermits } from "../../../../src/pipeline/failure-permits.ts";
import { LastingCalls } from "../../../../src/pipeline/lasting-calls.ts";
import type { PipelinePorts } from "../../../../src/pipeline/ports.ts";
import type { IncomingRequest } from "../../../../src/pipeline/proof.ts";
import { MemoryAnswerStore } from "../../../../src/stores/memory/answers.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

/** A device, its signed requests, and ports that record the calls of the pipeline. */

export const NOW = 1_700_000_000_000;
export const WINDOW_MS = 60_000;
export const MARGIN_MS = 5000;
export const PAYLOAD_BYTES_MAX = 64;

const deviceKey = privateKeyObject(new Uint8Array(32).fill(9));

export const SESSION: Session = {
  deviceSessionId: "session-1",
  userId: "user-1",
  status: "active",
  key: verifyingKey(rawPublicKey(deviceKey)),
};

export interface RequestChange {
  readonly rpc?: IncomingRequest["rpc"];
  /** Changes the envelope before it is signed. */
  readonly envelope?: MessageInitShape<typeof RequestEnvelopeSchema>;
  readonly payload?: string;
  /** Changes the message after it was signed. */
  readonly tamper?: (message: { envelope?: RequestEnvelope; payloadBytes: Uint8Array; signature: Uint8Array }) => void;
}

const MESSAGE_TYPES: Readonly<Record<IncomingRequest["rpc"], string>> = {
  ExecuteCommand: "user.profile.get",
  SubscribeEvents: "gateway.subscribe",
  FetchEvents: "gateway.fetch",
};

export function incomingRequest({
  rpc = "ExecuteCommand",
  envelope: change,
  payload = "{}",
  tamper,
}: RequestChange = {}): IncomingRequest {
  const payloadBytes = new TextEncoder().encode(payload);
  const envelope = create(RequestEnvelopeSchema, {
    protocolVersion: "v1",
    deviceSessionId: SESSION.deviceSessionId,
    messageType: MESSAGE_TYPES[rpc],
    timestampMs: BigInt(NOW),
    requestId: "request-1",
    payloadHash: sha256(payloadBytes),
    ...change,
  });
  const message = { envelope, payloadBytes, signature: signEd25519(requestSigningInput(envelope), deviceKey) };
  tamper?.(message);
  return { rpc, message, peer: { address: "192.0.2.1", network: "192.0.2.1" }, cost: 0 };
}

/** The calls of the pipeline, in order. */
export interface RecordedCalls {
  readonly steps: string[];
  readonly taken: BucketDemand[][];
  readonly checked: BucketDemand[];
  readonly reserved: [string, string, number][];
}

export const ROUTE: Route = {
  budget: undefined,
  timeoutMs: 5000,
  keepAnswerMs: undefined,
  execute: () => Promise.reject(new Error("not called here")),
};
const ROOMY = { ratePerSecond: 1, burst: 100 };

export function createPorts(overrides: Partial<PipelinePorts> = {}): { ports: PipelinePorts; recorded: RecordedCalls } {
  const recorded: RecordedCalls = { steps: [], taken: [], checked: [], reserved: [] };
  const buckets: BucketStore = {
    take(demands) {
      recorded.steps.push(`take ${demands.map(({ scope }) => scope).join(",")}`);
      recorded.taken.push([...demands]);
      return true;
    },
    spend(demands) {
      const each = [demands].flat();
      recorded.steps.push(`spend ${each.map(({ scope }) => scope).join(",")}`);
      recorded.taken.push(each);
    },
    check(demand) {
      recorded.steps.push(`check ${demand.scope}`);
      recorded.checked.push(demand);
      return true;
    },
  };
  const ports: PipelinePorts = {
    sessions: {
      find(id) {
        recorded.steps.push("find");
        return id === SESSION.deviceSessionId ? { session: SESSION, mark: 3 } : undefined;
      },
    },
    replay: {
      reserve(...reservation) {
        recorded.steps.push("reserve");
        recorded.reserved.push(reservation);
        return true;
      },
    },
    replayCoverageStartMs: Number.NEGATIVE_INFINITY,
    buckets,
    unverifiedBuckets: overrides.buckets ?? buckets,
    failurePermits: new FailurePermits(new LocalHeldCounts()),
    verifiedPeers: {
      remember: () => void recorded.steps.push("remember"),
      has: () => false,
      hasAny: () => false,
    },
    backend: {
      route: (messageType) => (messageType === "user.profile.get" ? ROUTE : undefined),
    },
    answers: new MemoryAnswerStore(new ManualClock(NOW), { entriesMax: 1000, bytesMax: 1024 * 1024 }),
    lastingCalls: new LastingCalls(),
    revocations: { revokedSince: () => "not_revoked" },
    signer: new KeyRing({ current: new Uint8Array(32).fill(1) }),
    clock: new ManualClock(NOW),
    payloadBytesMax: PAYLOAD_BYTES_MAX,
    freshness: { windowMs: WINDOW_MS, marginMs: MARGIN_MS },
    budgets: { ip: ROOMY, session: ROOMY, user: ROOMY, failures: ROOMY },
    onShadowRefusal: (scope) => void recorded.steps.push(`shadow ${scope}`),
    onAnswer: (outcome) => void recorded.steps.push(`answer ${outcome}`),
    ...overrides,
  };
  return { ports, recorded };
}

/** The refusal that the work throws. */
export async function refusalOf(work: () => unknown): Promise<Pick<Refusal, "reason" | "metadata" | "retryAfterMs">> {
  try {
    await work();
  } catch (error) {
    if (error instanceof Refusal) return { reason: error.reason, metadata: error.metadata, retryAfterMs: error.retryAfterMs };
    throw error;
  }
  throw new Error("the request was admitted");
}
