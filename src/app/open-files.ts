import type { Log } from "../core/ports.ts";

/**
 * Files that clients' connections must leave for the rest: 256 calls of the backend, the push feed, Redis, the admin listener, and what the
 * runtime holds itself.
 */
const RESERVED_FILES = 512;

/** With fewer, not a thousand clients over HTTP/1.1 fit on one port. */
const FEW_FILES = 4096;

/** How many files connections of clients may hold open; without bound where the system does not tell its own. */
export function filesForConnections(log: Log, openFilesMax = processLimit()): number {
  if (openFilesMax === undefined) return Number.POSITIVE_INFINITY;
  const files = Math.max(openFilesMax - RESERVED_FILES, Math.floor(openFilesMax / 2));
  const fields = { open_files: openFilesMax, for_connections: files };
  if (openFilesMax < FEW_FILES) log.warn("connections: few fit, by the limit of open files", fields);
  else log.debug("connections: bounded by the limit of open files", fields);
  return files;
}

/** The process's limit of open files. */
function processLimit(): number | undefined {
  const report: { userLimits?: { open_files?: { soft?: unknown } } } = process.report?.getReport() ?? {};
  const soft = Number(report.userLimits?.open_files?.soft);
  return Number.isInteger(soft) && soft > 0 ? soft : undefined;
}
