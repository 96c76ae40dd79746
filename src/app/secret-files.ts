import { statSync } from "node:fs";
import type { Config, ConfigKey } from "../config/schema.ts";
import { pathShown } from "../core/file-problem.ts";
import type { Log } from "../core/telemetry.ts";

const SECRET_FILES = [
  "keys.current_file",
  "keys.next_file",
  "keys.previous_file",
  "tls.key_file",
  "stores.redis.key_file",
] as const satisfies readonly ConfigKey[];

const OTHERS = 0o006;
const GROUP = 0o060;

/**
 * Logs a warning for each secret file whose permissions allow access by its group or by other users. `configFile` is the path
 * of the configuration file. It is `undefined` if that file contains no secrets.
 */
export function warnOfOpenFiles(config: Config, configFile: string | undefined, log: Log): void {
  const files = SECRET_FILES.map((setting) => ({ setting, path: config[setting] }));
  for (const { setting, path } of [...files, { setting: "--config", path: configFile }]) {
    const mode = path === undefined ? 0 : modeOf(path);
    if ((mode & (OTHERS | GROUP)) === 0) continue;
    const message = (mode & OTHERS) === 0 ? "secret file accessible to its group" : "secret file accessible to everybody";
    log.warn(message, { setting, file: pathShown(path ?? ""), mode: mode.toString(8).padStart(4, "0"), expected: "0600" });
  }
}

/**
 * Returns the permission bits of a file. Returns 0 on Windows and if the file is missing. A missing file is reported by the
 * code that reads it.
 */
function modeOf(path: string): number {
  if (process.platform === "win32") return 0;
  return (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
}
