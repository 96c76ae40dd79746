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

/** How one call went, told once, when it is over. */
export interface CallSummary<Peer> {
  /** The method's name, without its service. */
  readonly method: string;
  readonly protocol: ProtocolName;
  readonly codec: CodecName;
  readonly request: HttpRequest<Peer>;
  readonly call: Call<Peer>;
  /** What ended the call if it failed: a ConnectError, or what a handler or an option threw. */
  readonly thrown: unknown;
  /** On the options' monotonic clock. */
  readonly startedAt: number;
}

/** Everything is explicit; nothing has a default that somebody could forget. */
export interface RpcOptions<Peer> {
  /** The longest message that a client may send, as sent and as unpacked. */
  readonly requestBytesMax: number;
  /** What a longer one is refused with. */
  readonly tooLarge: (limitBytes: number) => Error;
  /** Which compressions are spoken. */
  readonly compressions: Compressions;
  /** Shorter answers are sent as they are. */
  readonly compressBytesMin: number;
  readonly guard: PeerGuard<Peer>;
  /** The error that the client gets. A ConnectError is to be returned as it is. */
  readonly toConnectError: (thrown: unknown) => ConnectError;
  readonly clock: Clock;
  readonly onDone: (summary: CallSummary<Peer>) => void;
}

/** What reading the messages of one call needs of the options. */
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
