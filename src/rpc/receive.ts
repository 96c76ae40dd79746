import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "./call.ts";
import type { NegotiatedCompression } from "./compression.ts";
import type { RpcOptions } from "./options.ts";
import { checkPeer } from "./peer-guard.ts";
import type { StreamProtocol, UnaryProtocol } from "./protocol.ts";
import type { AnyMethod } from "./service.ts";

/** The parameters of a call that are read from its request headers. */
export interface CallHeaders {
  readonly timeoutMs: number | undefined;
  readonly compression: NegotiatedCompression;
}

/**
 * Checks the peer with the peer guard, and then reads the request headers. Skips the check if the method has `servesAnyPeer`.
 * Throws the refusal of the guard, or a ConnectError.
 *
 * This function must be synchronous, so that the request body gets a listener in the first turn of the event loop. Otherwise
 * node:http2 does not report the end of the body.
 */
export function openCall<Peer>(
  { limits }: AnyMethod<Peer>,
  protocol: UnaryProtocol | StreamProtocol,
  call: Call<Peer>,
  options: RpcOptions<Peer>,
): CallHeaders {
  const { headers } = call.request;
  if (!limits.servesAnyPeer) checkPeer(call, 0, options.guard);
  protocol.checkHeaders(headers);
  const timeoutMs = protocol.timeoutMs(headers.get(protocol.headers.timeout));
  return { timeoutMs, compression: options.compressions.negotiate(protocol.headers, headers) };
}

/** Runs `step`, which reads or decodes a message. If `step` fails, charges the peer (see `charged`). */
export async function receive<T, Peer>(call: Call<Peer>, options: RpcOptions<Peer>, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (thrown) {
    throw await charged(thrown, call, options);
  }
}

/**
 * Charges the peer's failure budget for an error that occurred before a message was decoded. Returns the error. Charges nothing
 * in two cases:
 *
 * - The client disconnected or was too slow.
 * - The peer guard refused the peer.
 */
export async function charged<Peer>(thrown: unknown, call: Call<Peer>, { guard }: RpcOptions<Peer>): Promise<unknown> {
  if (!call.isPeerRefused && isChargeable(thrown)) await guard.charge(call.peer, call.cost);
  return thrown;
}

/** Returns false if the client disconnected or was too slow. Both are normal for mobile clients. */
function isChargeable(thrown: unknown): boolean {
  return !(thrown instanceof ConnectError) || (thrown.code !== Code.Canceled && thrown.code !== Code.DeadlineExceeded);
}
