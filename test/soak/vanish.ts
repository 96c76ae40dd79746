import { until } from "../support/until.ts";
import { CARRIERS } from "./kinds.ts";
import type { Namespaces } from "./namespaces.ts";
import type { Stage } from "./stage.ts";

/** A wave of clients that vanished. */
export interface Wave {
  readonly streams: number;
  /** From the moment that they were cut off until the last stream was gone. */
  readonly missedMs: number;
}

/** Heartbeat and user timeout are seconds here; retransmission alone would take a quarter of an hour. */
const MISSED_WITHIN_MS = 15_000;

/** So many streams over each carrier, that are cut off at once; then waits until the gateway has missed them all. */
export async function vanish(stage: Stage, namespaces: Namespaces, streamsOfEach: number): Promise<Wave> {
  const { gateway, outside } = stage;
  if (outside === undefined) throw new Error("the stage has no clients that can be cut off");
  let streams = 0;
  for (const { name } of CARRIERS) streams += await outside.ask("stay", { name, streams: streamsOfEach });
  const open = await gateway.ask("metric", "sallyport_streams");
  if (open !== streams) throw new Error(`${open} streams are open, expected ${streams}`);
  namespaces.cut();
  const since = performance.now();
  try {
    const missed = async () => (await gateway.ask("metric", "sallyport_streams")) === 0;
    await until(missed, "vanished clients to be missed", MISSED_WITHIN_MS);
    const missedMs = performance.now() - since;
    // What they say now is lost, too.
    await outside.ask("letGo");
    return { streams, missedMs };
  } finally {
    namespaces.restore();
  }
}
