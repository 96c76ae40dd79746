import project from "../../package.json" with { type: "json" };
import { UPGRADE_VARIABLE } from "../config/variables.ts";
import { systemClock } from "../core/clock.ts";
import { Predecessor } from "../upgrade/predecessor.ts";

/**
 * Returns true if this process was started to replace a running gateway. Deletes `UPGRADE_VARIABLE` from `env`, so that child
 * processes do not inherit this variable.
 */
export function takeUpgradeMark(env: Record<string, string | undefined>): boolean {
  const isMarked = env[UPGRADE_VARIABLE] !== undefined && process.send !== undefined;
  delete env[UPGRADE_VARIABLE];
  return isMarked;
}

/** Opens the channel to the predecessor. The predecessor has started this process. */
export function connectPredecessor(): Predecessor {
  return new Predecessor({
    channel: {
      send: (text) => void process.send?.(text),
      onMessage: (receive) => void process.on("message", receive),
      onDisconnect: (listener) => void process.on("disconnect", listener),
    },
    version: project.version,
    clock: systemClock,
    exit: () => process.exit(1),
  });
}
