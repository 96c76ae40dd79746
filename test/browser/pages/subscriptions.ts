import { SallyportClient } from "../../../src/client/client.ts";
import { importDeviceKey } from "../../../src/client/device-key.ts";
import { SallyportError } from "../../../src/client/errors.ts";
import type { Subscription } from "../../../src/client/subscription.ts";
import type { StreamSettings } from "../../../src/client/subscriptions.ts";

/** Subscriptions in a page. The test reads what arrived. */

interface Listening {
  readonly subscription: Subscription;
  readonly received: (number | "resync")[];
  error?: string | undefined;
}

const listening: Listening[] = [];

/** Opens `count` subscriptions of one client. */
export async function listen(
  baseUrl: string,
  session: { deviceSessionId: string; seed: number[] },
  { resumeAfter, ...streams }: StreamSettings & { readonly resumeAfter?: string },
  count = 1,
): Promise<void> {
  const deviceKey = await importDeviceKey(new Uint8Array(session.seed));
  const client = new SallyportClient({
    baseUrl,
    credentials: { deviceSessionId: session.deviceSessionId, deviceKey },
    streams,
  });
  for (let n = 0; n < count; n++) read({ subscription: client.subscribe({ resumeAfter }), received: [] });
}

async function read(one: Listening): Promise<void> {
  listening.push(one);
  try {
    for await (const { kind, payload } of one.subscription) {
      one.received.push(kind === "resync" ? "resync" : Number(Object(payload).n));
    }
  } catch (error) {
    one.error = error instanceof SallyportError ? error.reason : String(error);
  }
}

/** What each subscription received, and its state. */
export function report() {
  return listening.map(({ subscription: { state, transport }, received, error }) => ({ state, transport, received, error }));
}

/** The id of the last event that the first subscription has processed. */
export function lastEventId(): string | undefined {
  return listening[0]?.subscription.lastEventId;
}

export function closeAll(): void {
  for (const { subscription } of listening) subscription.close();
}
