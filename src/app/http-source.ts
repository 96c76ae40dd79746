import { PushDelivery } from "../backend/feed/push-delivery.ts";
import { PushState } from "../backend/feed/push-state.ts";
import type { EventLog } from "../backend/publish/event-log.ts";
import { EventLogError, FileEventLog } from "../backend/publish/file-event-log.ts";
import { HttpSource } from "../backend/publish/http-source.ts";
import { ConfigError } from "../config/problem.ts";
import type { GatewayConfig } from "../config/rules.ts";
import { formatAddress } from "../core/listen.ts";
import { tryLockFile } from "../transport/linux/file-lock.ts";
import type { FeedParts, OpenedFeed } from "./feed-parts.ts";
import { openPrivateListener } from "./private-listener.ts";

/**
 * Creates the push source that gets its events from the private listener, and opens this listener. Throws `ConfigError` and
 * `ListenError`.
 */
export function openHttpSource(config: GatewayConfig, parts: FeedParts): OpenedFeed {
  const { fill, log, metrics, clock, onStateChange } = parts;
  const eventLog = openEventLog(config, parts);
  const delivery = new PushDelivery(parts);
  const from = { listen: formatAddress(config["push.listen"]) };
  const onChange = (isUp: boolean) => void delivery.attempt("state", () => onStateChange(isUp));
  const source = new HttpSource({
    delivery,
    state: new PushState({ from, log, metrics, onChange }),
    runId: Bun.randomUUIDv7("base64url"),
    log: eventLog,
    beginFill: (checkpoint) => fill.begin(checkpoint),
    clock,
  });
  try {
    return { source, listener: openPrivateListener(config, source, parts) };
  } catch (error) {
    void eventLog?.close();
    throw error;
  }
}

function openEventLog(config: GatewayConfig, { clock, log }: FeedParts): EventLog | undefined {
  const path = config["push.log_file"];
  if (path === undefined) return undefined;
  try {
    return new FileEventLog({
      path,
      bytesMax: config["push.log_bytes_max"],
      sync: config["push.log_sync"],
      ageMs: config["history.age_ms"],
      tryLock: (fd) => process.platform !== "linux" || tryLockFile(fd),
      clock,
      log,
    });
  } catch (error) {
    if (error instanceof EventLogError) throw new ConfigError([error.message]);
    throw error;
  }
}
