import { readFileSync } from "node:fs";
import type { Log } from "../core/telemetry.ts";

const SETTING = "/proc/sys/net/ipv4/tcp_migrate_req";

/**
 * Logs a warning if `tcp_migrate_req` is 0 (ip-sysctl.rst). When a process closes its port, the kernel then resets the connections
 * that the process has not accepted yet. A process closes its port at an upgrade, and when a worker ends.
 */
export function warnOfLostConnections(log: Log, readSetting = () => readFileSync(SETTING, "latin1")): void {
  let value: string;
  try {
    value = readSetting().trim();
  } catch {
    // Linux before 5.14 and other operating systems do not have `tcp_migrate_req`.
    return;
  }
  if (value !== "0") return;
  log.warn("new connections can be reset at an upgrade", { advice: "sysctl -w net.ipv4.tcp_migrate_req=1" });
}
