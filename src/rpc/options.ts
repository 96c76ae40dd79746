import type { ConnectError } from "@connectrpc/connect";
import type { Clock } from "../core/clock.ts";
import type { Call } from "./call.ts";
import type { Compression, Compressions } from "./compression.ts";
import { checkPeer, decodingCost, type PeerGuard } from "./peer-guard.ts";
import type { StreamProtocol, UnaryProtocol } from "./protocol.ts";
import type { ReadOptions } from "./request-message.ts";
import type { AnyMethod } from "./service.ts";

/** The outcome of one call. `onDone` receives it once, after the end of the call. */
export interface CallSummary<Peer> {
  /** The name of the method, without the name of its service. */
  readonly method: string;
  readonly call: Call<Peer>;
  /** The error that ended the call; `undefined` after success. Handlers may throw any error, not only ConnectError. */
  readonly thrown: unknown;
}

/** Options of the RPC server. All options are required, so that no security option is omitted by mistake. */
export interface RpcOptions<Peer> {
  /** Maximum length of a request message, in bytes. It applies before and after decompression. */
  readonly requestBytesMax: number;
  /** Creates the error for a message that is longer than `limitBytes`. */
  readonly tooLarge: (limitBytes: number) => Error;
  readonly compressions: Compressions;
  /** Response messages shorter than this many bytes are not compressed. */
  readonly compressBytesMin: number;
  readonly guard: PeerGuard<Peer>;
  /** Translates an error to the error that the client gets. Must return a ConnectError unchanged. */
  readonly toConnectError: (thrown: unknown) => ConnectError;
  readonly clock: Clock;
  readonly onDone: (summary: CallSummary<Peer>) => void;
}

export function readOptions<Peer>(
  { limits }: AnyMethod<Peer>,
  { framed, requestForm }: UnaryProtocol | StreamProtocol,
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
  return { framed, bodyForm: requestForm, compression, bytesMax, tooLarge, beforeDecoding };
}
