import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "./call.ts";
import type { NegotiatedCompression } from "./compression.ts";
import type { RpcOptions } from "./options.ts";
import { checkPeer } from "./peer-guard.ts";
import type { StreamProtocol, UnaryProtocol } from "./protocol.ts";
import type { AnyMethod } from "./service.ts";

/** What a request's headers say of the call. */
export interface CallHeaders {
  readonly timeoutMs: number | undefined;
  readonly compression: NegotiatedCompression;
}

/**
 * Refuses a peer whose requests keep failing, and reads the headers of everybody else's. Throws what the guard throws, or a ConnectError. Answers at once:
 * node:http2 loses the end of a body for which nobody has listened from the start.
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

/** Runs a step that comes before a call's message is there, and charges the peer where it fails by the peer's fault. */
export async function receive<T, Peer>(call: Call<Peer>, options: RpcOptions<Peer>, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (thrown) {
    throw await charged(thrown, call, options);
  }
}

/** What was thrown before a call's message was there, when the peer has been charged for it. */
export async function charged<Peer>(thrown: unknown, call: Call<Peer>, { guard }: RpcOptions<Peer>): Promise<unknown> {
  if (!call.isPeerRefused && isPeersFault(thrown)) await guard.charge(call.peer, call.cost);
  return thrown;
}

/** A client that left or was slow, as mobile ones are, is not at fault. */
function isPeersFault(thrown: unknown): boolean {
  return !(thrown instanceof ConnectError) || (thrown.code !== Code.Canceled && thrown.code !== Code.DeadlineExceeded);
}
