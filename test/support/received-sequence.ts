import type { GatewayEvent } from "../../src/gen/sallyport/v1/gateway_pb.ts";

/** What a client received, in order: the numbers of the backend's events, and "resync". */
export type ReceivedSequence = readonly (number | "resync")[];

/** The sequence of a client. The backend's events have their number in the payload: `n`, or the `text` of a chat message. */
export function receivedSequence({ events }: { readonly events: readonly GatewayEvent[] }): ReceivedSequence {
  return events.flatMap<number | "resync">(({ envelope, payloadBytes }) => {
    if (envelope?.eventType === "gateway.resync") return ["resync" as const];
    if (envelope === undefined || envelope.eventType.startsWith("gateway.")) return [];
    const { n, text } = JSON.parse(new TextDecoder().decode(payloadBytes));
    return [Number(n ?? text)];
  });
}

/** The number of the newest backend event; `undefined` if there is none. */
export function lastNumber(events: readonly GatewayEvent[]): number | undefined {
  const last = events.findLast(({ envelope }) => envelope?.eventType.startsWith("gateway.") === false);
  const [number] = last === undefined ? [] : receivedSequence({ events: [last] });
  return typeof number === "number" ? number : undefined;
}

/**
 * The gaps without a resync between the events before and after them. `gaps`: for each gap, the number of the event that was in progress; it
 * may have been sent before or after the gap.
 */
export function gapsWithoutResync(received: ReceivedSequence, gaps: readonly number[]): number[] {
  return gaps.filter((gap) => {
    const before = received.findLastIndex((each) => each !== "resync" && each < gap);
    const after = received.findIndex((each) => each !== "resync" && each > gap);
    return before >= 0 && after >= 0 && !received.slice(before, after).includes("resync");
  });
}

/** The events that are out of sequence. After a resync, numbers may be missing; a number must never repeat or decrease. */
export function outOfSequence(received: ReceivedSequence): number[] {
  let [last, mayMiss] = [-1, false];
  return received.flatMap((each) => {
    if (each === "resync") {
      mayMiss = true;
      return [];
    }
    const follows = mayMiss ? each > last : each === last + 1;
    [last, mayMiss] = [each, false];
    return follows ? [] : [each];
  });
}
