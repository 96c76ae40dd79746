import type { Log } from "../core/telemetry.ts";

/**
 * Number of file descriptors that are reserved for 256 backend calls, the push feed, Redis, the admin listener and the runtime.
 * If RLIMIT_NOFILE is below 1024, the gateway reserves half of RLIMIT_NOFILE instead.
 */
const RESERVED_FILES = 512;

/**
 * The gateway logs a warning if RLIMIT_NOFILE is below this number. With such a limit, fewer than 1200 HTTP/1.1 connections of
 * the mux listener can be open, because each of them needs three descriptors.
 */
export const FEW_FILES = 4096;

/**
 * Returns the number of file descriptors that client connections may use. `openFilesMax` is RLIMIT_NOFILE. If it is unknown,
 * returns `Infinity`.
 */
export function filesForConnections(log: Log, openFilesMax = processLimit()): number {
  if (openFilesMax === undefined) return Number.POSITIVE_INFINITY;
  const files = Math.max(openFilesMax - RESERVED_FILES, Math.floor(openFilesMax / 2));
  const fields = { rlimit_nofile: openFilesMax, left_for_connections: files };
  if (openFilesMax < FEW_FILES) log.warn("few file descriptors left for connections", fields);
  else log.debug("file descriptors left for connections", fields);
  return files;
}

/** Returns the soft limit RLIMIT_NOFILE of the process. Returns `undefined` if the limit is unknown. */
export function processLimit(): number | undefined {
  const report: { userLimits?: { open_files?: { soft?: unknown } } } = process.report?.getReport() ?? {};
  const soft = Number(report.userLimits?.open_files?.soft);
  return Number.isInteger(soft) && soft > 0 ? soft : undefined;
}
