import type { Admission } from "../hub/admission.ts";
import type { Hub } from "../hub/hub.ts";

/** Maximum time for which a resuming client waits for an event of the push feed, in ms. */
const WAIT_MS_MAX = 500;
const CHECK_MS = 10;

/**
 * Waits until the replay buffers have the event after which a client resumes. Waits at most `WAIT_MS_MAX`.
 *
 * During an upgrade, the predecessor and this process both read the push feed. A client may get an event from the predecessor
 * before this process gets it. Without the wait, this process would not know the event, and the client would have to fetch its
 * state again.
 */
export async function untilKnown(hub: Pick<Hub, "canResume">, admission: Admission): Promise<void> {
  for (let waitedMs = 0; waitedMs < WAIT_MS_MAX && !hub.canResume(admission); waitedMs += CHECK_MS) await Bun.sleep(CHECK_MS);
}
