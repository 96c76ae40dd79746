import type { Log } from "../core/telemetry.ts";

/**
 * Number of file descriptors that client connections must not use. They are reserved for 256 backend calls, the push feed, Redis,
 * the admin listener and the runtime.
 */
const RESERVED_FILES = 512;

/**
 * The gateway logs a warning if RLIMIT_NOFILE, its limit of open files, is lower than this number. Fewer than 1000 HTTP/1.1
 * clients can then connect to the mux listener.
 */
const FEW_FILES = 4096;

/**
 * Returns the number of file descriptors that client connections may use. `openFilesMax` is the limit RLIMIT_NOFILE. Returns
 * `Infinity` if the limit is unknown.
 */
export function filesForConnections(log: Log, openFilesMax = processLimit()): number {
  if (openFilesMax === undefined) return Number.POSITIVE_INFINITY;
  const files = Math.max(openFilesMax - RESERVED_FILES, Math.floor(openFilesMax / 2));
  const fields = { open_files: openFilesMax, for_connections: files };
  if (openFilesMax < FEW_FILES) log.warn("few file descriptors for connections", fields);
  else log.debug("file descriptors for connections", fields);
  return files;
}

/** Returns the soft limit RLIMIT_NOFILE of the process. Returns `undefined` if the limit is unknown. */
function processLimit(): number | undefined {
  const report: { userLimits?: { open_files?: { soft?: unknown } } } = process.report?.getReport() ?? {};
  const soft = Number(report.userLimits?.open_files?.soft);
  return Number.isInteger(soft) && soft > 0 ? soft : undefined;
}
