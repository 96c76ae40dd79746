import { until } from "../support/until.ts";
import { CARRIERS } from "./disconnect-kinds.ts";
import type { Namespaces } from "./namespaces.ts";
import type { Testbed } from "./testbed.ts";

/** A wave of vanished clients. */
export interface Wave {
  readonly streams: number;
  /** From the cut until the last stream has ended. */
  readonly detectedMs: number;
}

/** Heartbeat and TCP_USER_TIMEOUT are a few seconds here. TCP retransmission alone takes about 15 minutes. */
const DETECTED_WITHIN_MS = 15_000;

/** Opens this many streams per carrier, cuts them off, and waits until the gateway has detected it. */
export async function vanish(testbed: Testbed, namespaces: Namespaces, streamsOfEach: number): Promise<Wave> {
  const { gateway, outside } = testbed;
  if (outside === undefined) throw new Error("the testbed has no clients that can be cut off");
  let streams = 0;
  for (const { name } of CARRIERS) streams += await outside.ask("hold", { name, streams: streamsOfEach });
  const open = await gateway.ask("metric", "sallyport_streams");
  if (open !== streams) throw new Error(`${open} streams are open, expected ${streams}`);
  namespaces.cut();
  const since = performance.now();
  try {
    const isDetected = async () => (await gateway.ask("metric", "sallyport_streams")) === 0;
    await until(isDetected, "vanished clients to be detected", DETECTED_WITHIN_MS);
    const detectedMs = performance.now() - since;
    // Without a route, the resets are lost too.
    await outside.ask("release");
    return { streams, detectedMs };
  } finally {
    namespaces.restore();
  }
}
