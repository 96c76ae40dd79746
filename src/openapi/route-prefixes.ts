import { isPlainSegment } from "../core/path-grammar.ts";

/**
 * Maximum number of prefixes that `routePrefixes` returns. If there are more, it merges the deepest prefixes by removing their
 * last segments.
 */
const PREFIXES_MAX = 16;

/** Returns prefixes so that each path starts with one of them. The prefixes are as long as `PREFIXES_MAX` allows. */
export function routePrefixes(paths: readonly string[]): string[] {
  let folders = minimal(paths.map(folderOf));
  while (folders.length > PREFIXES_MAX) {
    const depth = Math.max(...folders.map(depthOf));
    folders = minimal(folders.map((folder) => (depthOf(folder) === depth ? parentOf(folder) : folder)));
  }
  return folders;
}

/** Returns the segments of a path before the first one that is not plain text. Never includes the last segment. */
function folderOf(path: string): string {
  const segments = path.replace(/\/$/, "").split("/").slice(1, -1);
  const end = segments.findIndex((segment) => !isPlainSegment(segment));
  const plain = end < 0 ? segments : segments.slice(0, end);
  return `/${plain.map((segment) => `${segment}/`).join("")}`;
}

function depthOf(folder: string): number {
  return folder.split("/").length;
}

function parentOf(folder: string): string {
  return folder.replace(/[^/]+\/$/, "");
}

/** Removes duplicates, and each folder that is inside another folder. */
function minimal(folders: readonly string[]): string[] {
  const kept: string[] = [];
  for (const folder of [...new Set(folders)].sort()) {
    const last = kept.at(-1);
    if (last === undefined || !folder.startsWith(last)) kept.push(folder);
  }
  return kept;
}
