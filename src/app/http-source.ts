import { PushDelivery } from "../backend/feed/push-delivery.ts";
import { PushState } from "../backend/feed/push-state.ts";
import { HttpSource } from "../backend/publish/http-source.ts";
import type { GatewayConfig } from "../config/rules.ts";
import { formatAddress } from "../core/listen.ts";
import type { FeedParts, OpenedFeed } from "./feed-parts.ts";
import { openPrivateListener } from "./private-listener.ts";

/** Creates the push source behind the private listener, and opens the listener. Throws `ConfigError` and `ListenError`. */
export function openHttpSource(config: GatewayConfig, parts: FeedParts): OpenedFeed {
  const { fill, log, metrics, clock, onStateChange } = parts;
  const delivery = new PushDelivery(parts);
  const from = { listen: formatAddress(config["push.listen"]) };
  const onChange = (isUp: boolean) => void delivery.attempt("state", () => onStateChange(isUp));
  const source = new HttpSource({
    delivery,
    state: new PushState({ from, log, metrics, onChange }),
    runId: Bun.randomUUIDv7("base64url"),
    log: undefined,
    beginFill: (checkpoint) => fill.begin(checkpoint),
    clock,
  });
  return { source, listener: openPrivateListener(config, source, parts) };
}
