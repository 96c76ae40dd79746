import { openAdmin } from "../admin/admin-listener.ts";
import type { Config } from "../config/schema.ts";
import type { ReloadOutcome } from "../core/reload.ts";
import type { Revocation } from "../core/sessions.ts";
import type { Log } from "../core/telemetry.ts";
import type { UpgradeOutcome, UpgradeScope } from "../core/upgrade.ts";
import type { Hub } from "../hub/hub.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";
import type { Stores } from "../stores/open.ts";
import type { Listener } from "../transport/listener.ts";
import type { WorkerPool } from "../workers/worker-pool.ts";
import { warnOfOpenListener } from "./exposure.ts";
import type { Readiness } from "./readiness.ts";

interface AdminListenerParts {
  readonly readiness: Readiness;
  readonly metrics: GatewayMetrics;
  readonly hub: Hub;
  readonly stores: Stores;
  /** Revokes sessions and ends their streams at this gateway. Returns the number of ended streams. */
  readonly revoke: (revocation: Revocation) => number;
  /** The worker processes; `undefined` if the gateway is one process. */
  readonly workers?: Pick<WorkerPool, "measure" | "states">;
  /** Called with each revocation that an operator requests at the admin listener. */
  readonly onRevocation?: ((revocation: Revocation) => void) | undefined;
  /** Starts an upgrade; `undefined` if the gateway cannot be upgraded. */
  readonly upgrade?: ((of: UpgradeScope) => Promise<UpgradeOutcome>) | undefined;
  /** Reloads the configuration; `undefined` if the gateway cannot reload its configuration. */
  readonly reload?: (() => Promise<ReloadOutcome>) | undefined;
  readonly log: Log;
}

/** Opens the admin listener. Logs a warning if other machines can reach it. Throws `ListenError`. */
export function openAdminListener(config: Config, parts: AdminListenerParts): Listener {
  const { readiness, metrics, hub, stores, workers, revoke, log } = parts;
  const admin = openAdmin({
    listen: config["admin.listen"],
    hosts: config["admin.hosts"],
    notReady: () => readiness.reasons(),
    workers: workers && (() => workers.states()),
    upgrade: parts.upgrade,
    reload: parts.reload,
    renderMetrics: async () => metrics.render(await workers?.measure()),
    streams: {
      list: (query) => hub.list(query),
      revoke,
      announce(revocation) {
        parts.onRevocation?.(revocation);
        return stores.announce(revocation);
      },
    },
  });
  warnOfOpenListener("admin.listen", admin.bound, log);
  return admin;
}
