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
  "push.token_file",
  "backend.key_file",
  "backend.token_file",
] as const satisfies readonly ConfigKey[];

const OTHERS = 0o006;
const GROUP = 0o060;

/** A secret file whose permissions allow access by its group or by other users. */
export interface OpenFile {
  readonly setting: string;
  /** The path, or a neutral text if the path may be a secret. */
  readonly file: string;
  /** The permission bits, such as `0644`. */
  readonly mode: string;
  readonly accessibleTo: "its group" | "everybody";
}

/**
 * Returns the secret files that others can access. `configFile` is the path of the configuration file. It is `undefined` if
 * that file contains no secrets.
 */
export function openSecretFiles(config: Config, configFile: string | undefined): readonly OpenFile[] {
  const files = SECRET_FILES.map((setting) => ({ setting, path: config[setting] }));
  return [...files, { setting: "--config", path: configFile }].flatMap(({ setting, path }) => {
    const mode = path === undefined ? 0 : modeOf(path);
    if (path === undefined || (mode & (OTHERS | GROUP)) === 0) return [];
    const accessibleTo = (mode & OTHERS) === 0 ? "its group" : "everybody";
    return [{ setting, file: pathShown(path), mode: mode.toString(8).padStart(4, "0"), accessibleTo }];
  });
}

/** Logs a warning for each secret file that others can access. See `openSecretFiles`. */
export function warnOfOpenFiles(config: Config, configFile: string | undefined, log: Log): void {
  for (const { setting, file, mode, accessibleTo } of openSecretFiles(config, configFile)) {
    log.warn("secret file accessible to others", { setting, file, accessible_to: accessibleTo, mode, expected_mode: "0600" });
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
