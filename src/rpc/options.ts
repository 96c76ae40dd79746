import type { ConnectError } from "@connectrpc/connect";
import type { Clock } from "../core/clock.ts";
import type { Call } from "./call.ts";
import type { CodecName } from "./codec.ts";
import type { Compression, Compressions } from "./compression.ts";
import type { HttpRequest } from "./http.ts";
import { checkPeer, decodingCost, type PeerGuard } from "./peer-guard.ts";
import type { ProtocolName } from "./protocol.ts";
import type { ReadOptions } from "./request-message.ts";
import type { AnyMethod } from "./service.ts";

/** The outcome of one call. Reported once, after its end. */
export interface CallSummary<Peer> {
  /** The method's name, without its service. */
  readonly method: string;
  readonly protocol: ProtocolName;
  readonly codec: CodecName;
  readonly request: HttpRequest<Peer>;
  readonly call: Call<Peer>;
  /** The error that ended the call: a ConnectError, or an error of a handler or an option. `undefined` for success. */
  readonly thrown: unknown;
  /** Monotonic time of the options' clock, in ms. */
  readonly startedAt: number;
}

/** All options are required, so that no security option falls back to a default. */
export interface RpcOptions<Peer> {
  /** Limit of a request message, as sent and as decompressed. */
  readonly requestBytesMax: number;
  /** Creates the error for a longer message. */
  readonly tooLarge: (limitBytes: number) => Error;
  /** The supported compressions. */
  readonly compressions: Compressions;
  /** Shorter responses are sent uncompressed. */
  readonly compressBytesMin: number;
  readonly guard: PeerGuard<Peer>;
  /** Translates an error for the client. Must return a ConnectError unchanged. */
  readonly toConnectError: (thrown: unknown) => ConnectError;
  readonly clock: Clock;
  readonly onDone: (summary: CallSummary<Peer>) => void;
}

/** The options for reading the messages of one call. */
export function readOptions<Peer>(
  { limits }: AnyMethod<Peer>,
  framed: boolean,
  compression: Compression | undefined,
  call: Call<Peer>,
  options: RpcOptions<Peer>,
): ReadOptions {
  const { requestBytesMax, tooLarge, guard } = options;
  const bytesMax = Math.min(requestBytesMax, limits.requestBytesMax);
  const beforeDecoding = (bytes: number, isPacked: boolean) => {
    call.cost = decodingCost(bytes, isPacked, bytesMax);
    if (!limits.servesAnyPeer) checkPeer(call, call.cost, guard);
  };
  return { framed, compression, bytesMax, tooLarge, beforeDecoding };
}
