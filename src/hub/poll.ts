import type { Admission } from "./admission.ts";
import type { EventCollector } from "./event-collector.ts";
import type { StartPosition } from "./stream-start.ts";
import type { Subscription } from "./subscription.ts";

/** A poll that the hub has accepted and not answered yet. */
export interface Poll extends StartPosition {
  readonly admission: Admission;
  readonly collector: EventCollector;
  readonly subscription: Subscription;
}
