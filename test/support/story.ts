import type { GatewayEvent } from "../../src/gen/sallyport/v1/gateway_pb.ts";

/** What a client was told, in order: the numbers of events, and `resync`. */
export type Story = readonly (number | "resync")[];

/** The backend's events are numbered in their payload: `n`, or the text of a chat message. */
export function story({ events }: { readonly events: readonly GatewayEvent[] }): Story {
  return events.flatMap<number | "resync">(({ envelope, payloadBytes }) => {
    if (envelope?.eventType === "gateway.resync") return ["resync" as const];
    if (envelope === undefined || envelope.eventType.startsWith("gateway.")) return [];
    const { n, text } = JSON.parse(new TextDecoder().decode(payloadBytes));
    return [Number(n ?? text)];
  });
}

/** The newest event's number, or `undefined` where there is none of the backend's. */
export function lastNumber(events: readonly GatewayEvent[]): number | undefined {
  const last = events.findLast(({ envelope }) => envelope?.eventType.startsWith("gateway.") === false);
  const [number] = last === undefined ? [] : story({ events: [last] });
  return typeof number === "number" ? number : undefined;
}

/** Those of the gaps of which the client was not told. `gaps`: at which number each came, be it before that or after. */
export function untold(told: Story, gaps: readonly number[]): number[] {
  return gaps.filter((gap) => {
    const before = told.findLastIndex((each) => each !== "resync" && each < gap);
    const after = told.findIndex((each) => each !== "resync" && each > gap);
    return before >= 0 && after >= 0 && !told.slice(before, after).includes("resync");
  });
}

/** Events that do not follow on the one before: any where no resync explains it, and those that came before in any case. */
export function unexplained(told: Story): number[] {
  let [last, mayMiss] = [-1, false];
  return told.flatMap((each) => {
    if (each === "resync") {
      mayMiss = true;
      return [];
    }
    const follows = mayMiss ? each > last : each === last + 1;
    [last, mayMiss] = [each, false];
    return follows ? [] : [each];
  });
}
