/** Maximum number of prefixes. If there are more, the deepest ones are shortened until few enough remain. */
const PREFIXES_MAX = 16;
/** A segment that a prefix of `backend.route_prefixes` can have. */
const PLAIN = /^(?!\.{1,2}$)[A-Za-z0-9._~-]+$/;

/** Returns the longest prefixes such that each path is below one of them. */
export function routePrefixes(paths: readonly string[]): string[] {
  let folders = minimal(paths.map(folderOf));
  while (folders.length > PREFIXES_MAX) {
    const depth = Math.max(...folders.map(depthOf));
    folders = minimal(folders.map((folder) => (depthOf(folder) === depth ? parentOf(folder) : folder)));
  }
  return folders;
}

/** Returns the plain segments before the last one and before the first variable. */
function folderOf(path: string): string {
  const segments = path.replace(/\/$/, "").split("/").slice(1, -1);
  const end = segments.findIndex((segment) => !PLAIN.test(segment));
  const plain = end < 0 ? segments : segments.slice(0, end);
  return `/${plain.map((segment) => `${segment}/`).join("")}`;
}

function depthOf(folder: string): number {
  return folder.split("/").length;
}

function parentOf(folder: string): string {
  return folder.replace(/[^/]+\/$/, "");
}

/** Removes each folder that another one contains. */
function minimal(folders: readonly string[]): string[] {
  const kept: string[] = [];
  for (const folder of [...new Set(folders)].sort()) {
    const last = kept.at(-1);
    if (last === undefined || !folder.startsWith(last)) kept.push(folder);
  }
  return kept;
}
