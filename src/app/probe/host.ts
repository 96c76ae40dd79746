import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { unusedSetting } from "../../config/rules-push.ts";
import type { Config, ConfigKey } from "../../config/schema.ts";
import { pathShown, whyUnreadable } from "../../core/file-problem.ts";
import { sharedFileBytes } from "../../stores/shared/open.ts";
import { FEW_FILES, processLimit } from "../open-files.ts";
import { storeSettings } from "../options.ts";
import { error, type Finding, ok, type Probe, warning } from "./finding.ts";

const MiB = 1024 * 1024;

/**
 * Probes this system: the limit of open file descriptors, the disk space for the shared file, and the folders to which the gateway
 * writes.
 */
export const probeHost: Probe = async (config) => [...openFiles(), ...sharedFile(config), ...writableFolders(config)];

function openFiles(): Finding[] {
  const limit = processLimit();
  if (limit === undefined) return [];
  const setting = "connections.total_max";
  if (limit >= FEW_FILES) return [ok(setting, `${limit} file descriptors (RLIMIT_NOFILE)`)];
  return [warning(setting, `only ${limit} file descriptors (RLIMIT_NOFILE); raise it by ulimit -n, or LimitNOFILE of systemd`)];
}

/** Checks the disk space, because a new shared file reserves all of its space at once. */
function sharedFile(config: Config): Finding[] {
  const setting = "stores.shared_file";
  const path = config[setting];
  if (path === undefined || config["stores.kind"] !== "memory" || existsSync(path)) return [];
  const { sessionCache, ...sizes } = storeSettings(config);
  const neededMiB = Math.ceil(sharedFileBytes({ ...sizes, verifiedPeers: sessionCache }) / MiB);
  try {
    const { bavail, bsize } = statfsSync(dirname(resolve(path)));
    const freeMiB = Math.floor((bavail * bsize) / MiB);
    const text = `${neededMiB} MiB are needed, and ${freeMiB} MiB are free in its folder`;
    if (freeMiB >= neededMiB) return [ok(setting, text)];
    return [error(setting, `${text}; make room, choose another folder, or lower replay.entries_max and buckets.entries_max`)];
  } catch (cause) {
    return [error(setting, `its folder cannot be used: ${whyUnreadable(cause)}; create it`)];
  }
}

/** Settings that name files that the gateway creates. */
const WRITTEN_FILES = [
  "history.checkpoint_file",
  "stores.shared_file",
  "push.log_file",
] as const satisfies readonly ConfigKey[];

function writableFolders(config: Config): Finding[] {
  return WRITTEN_FILES.flatMap((setting) => {
    const path = config[setting];
    if (path === undefined || unusedSetting(config)?.key === setting) return [];
    const folder = dirname(resolve(path));
    try {
      if (!statSync(folder).isDirectory()) return [error(setting, `${pathShown(folder)} is not a folder; correct the path`)];
      accessSync(folder, constants.W_OK | constants.X_OK);
      if (statSync(path, { throwIfNoEntry: false })?.isFile() === false)
        return [error(setting, `${pathShown(path)} exists and is not a file; correct the path`)];
      return [ok(setting, `${pathShown(folder)} is writable`)];
    } catch (cause) {
      return [
        error(setting, `${pathShown(folder)}: ${whyUnreadable(cause)}; create the folder, and let this user write to it`),
      ];
    }
  });
}
