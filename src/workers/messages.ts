import type { AnswerAge, ClaimOutcome, KeyedRequest } from "../core/answers.ts";
import type { BackendReply } from "../core/backend.ts";
import { DescribedCause, describeCause } from "../core/cause.ts";
import type { Reason } from "../core/reasons.ts";
import { Refusal, refuse } from "../core/refusal.ts";
import type { Revocation } from "../core/sessions.ts";
import type { Admission } from "../hub/admission.ts";
import type { PollRequest } from "../hub/event-streams.ts";
import type { EventCodec } from "../hub/sink.ts";
import type { MetricSnapshot } from "../observe/metric-snapshot.ts";

/**
 * The messages between the supervisor and one worker. Both processes run the same executable, so the messages have no version.
 * Messages arrive in the order in which they were sent.
 */

/** A refusal in a form that can be sent to another process. `cause` is the result of `describeCause`. */
export interface SentRefusal {
  readonly reason: Reason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
  readonly cause: string | undefined;
}

/** The addresses and ports of the edge and of the gRPC listener. */
export interface WorkerAddresses {
  readonly edgeUrl: string;
  readonly grpcUrl: string;
  readonly edgePort: number;
  readonly grpcPort: number;
  readonly bound: { readonly edge: string; readonly grpc: string };
}

/** Frames for the streams of one worker, in sending order. `streams` contains the ids of the streams that get the frame. */
export type FrameBatch = readonly (readonly [frame: Uint8Array, streams: readonly number[]])[];

/** The outcome of the worker's message `claim`. The claim itself stays in the supervisor. */
export type SentClaim = Exclude<ClaimOutcome, { kind: "first" }> | { readonly kind: "first"; readonly waited: boolean };

export type ToWorker =
  | {
      readonly type: "start";
      /** The index of the worker. It is a field of its log lines. */
      readonly worker: number;
      readonly config: unknown;
      /** The last good TLS and credential files. So the worker starts even if one of these files is broken at that time. */
      readonly files: unknown;
      /** The current position of the supervisor's revocation log. The worker's log starts at this position. */
      readonly mark: number;
      readonly isFeedUp: boolean;
    }
  | { readonly type: "frames"; readonly batch: FrameBatch }
  | { readonly type: "opened"; readonly id: number }
  | { readonly type: "refused"; readonly id: number; readonly refusal: SentRefusal }
  | { readonly type: "end"; readonly id: number; readonly refusal: SentRefusal }
  | { readonly type: "polled"; readonly id: number; readonly frames: readonly Uint8Array[]; readonly waitedMs: number }
  /**
   * `mark`: the position of the supervisor's revocation log after this revocation. The worker's log must reach the same position.
   */
  | { readonly type: "revoke"; readonly revocation: Revocation; readonly mark: number }
  | { readonly type: "revocations lost"; readonly mark: number }
  | { readonly type: "claimed"; readonly id: number; readonly outcome: SentClaim }
  | { readonly type: "claim refused"; readonly id: number; readonly refusal: SentRefusal }
  | { readonly type: "kept"; readonly id: number; readonly isStored: boolean }
  | { readonly type: "feed"; readonly isUp: boolean }
  | { readonly type: "ready"; readonly isReady: boolean }
  | { readonly type: "measure"; readonly id: number }
  /** Prepare this configuration, and answer with `prepared`. */
  | { readonly type: "prepare"; readonly id: number; readonly config: unknown }
  /** Use this configuration, even if this worker has not prepared it. */
  | { readonly type: "commit"; readonly id: number; readonly config: unknown }
  /** Close the ports: another process has taken over. */
  | { readonly type: "retire" }
  /** `streams`: number of open streams of the whole gateway when the shutdown began. */
  | { readonly type: "stop"; readonly streams: number };

export type FromWorker =
  | { readonly type: "started"; readonly addresses: WorkerAddresses }
  | { readonly type: "failed"; readonly problem: string; readonly isConfigError: boolean }
  | {
      readonly type: "register";
      readonly id: number;
      readonly admission: Admission;
      readonly codec: EventCodec;
      readonly isBase64: boolean;
      readonly protocol: string;
    }
  | { readonly type: "closed"; readonly id: number; readonly reason: Reason | undefined }
  | { readonly type: "poll"; readonly id: number; readonly admission: Admission; readonly request: PollRequest }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "claim"; readonly id: number; readonly request: KeyedRequest; readonly leaseMs: number }
  | { readonly type: "cancel claim"; readonly id: number }
  | { readonly type: "keep"; readonly id: number; readonly reply: BackendReply; readonly age: AnswerAge }
  | { readonly type: "release"; readonly id: number }
  /** `problem`: why this worker cannot use the configuration; `undefined` if it can. */
  | { readonly type: "prepared"; readonly id: number; readonly problem: string | undefined }
  /** `id`: the id of the message `measure`. It is 0 for the last values, which a worker sends when it stops. */
  | { readonly type: "measured"; readonly id: number; readonly metrics: readonly MetricSnapshot[] }
  | {
      readonly type: "state";
      readonly notReady: readonly string[];
      readonly unread: readonly (readonly [id: number, bytes: number])[];
    };

export function toSentRefusal(thrown: unknown): SentRefusal {
  const { reason, metadata, retryAfterMs, cause } = thrown instanceof Refusal ? thrown : refuse("INTERNAL", { cause: thrown });
  return { reason, metadata, retryAfterMs, cause: cause === undefined ? undefined : describeCause(cause) };
}

export function fromSentRefusal({ reason, metadata, retryAfterMs, cause }: SentRefusal): Refusal {
  return refuse(reason, {
    metadata,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(cause !== undefined && { cause: new DescribedCause(cause) }),
  });
}
