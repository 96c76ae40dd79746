import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";

export interface ProcessorSources {
  /** The number of processors on which this process may run (sched_getaffinity(2)). */
  readonly parallelism: number;
  /** Returns the text of a file; `undefined` if it cannot be read. */
  readonly read: (path: string) => string | undefined;
}

const SYSTEM: ProcessorSources = { parallelism: availableParallelism(), read: readText };

/**
 * Returns the number of processors that this process can keep busy, at least 1. This is the smallest of:
 *
 * - the number of processors on which the process may run
 * - the CPU quotas of its cgroup and of all cgroups above it, rounded down
 */
export function availableProcessors({ parallelism, read }: ProcessorSources = SYSTEM): number {
  const quotas = cgroupFolders(read).map(({ folder, version }) => quotaOf(folder, version, read));
  return Math.max(1, Math.floor(Math.min(parallelism, ...quotas)));
}

interface CgroupFolder {
  readonly folder: string;
  readonly version: 1 | 2;
}

/** Returns the folders that contain CPU quotas: for the cgroup of this process, and for all visible cgroups above it. */
function cgroupFolders(read: ProcessorSources["read"]): CgroupFolder[] {
  const cgroups = linesOf(read("/proc/self/cgroup"));
  const mounts = linesOf(read("/proc/self/mountinfo")).map(parseMount);
  return cgroups.flatMap((line) => {
    // cgroups(7): hierarchy-ID:controllers:path. The unified hierarchy of version 2 has the id 0 and no controllers.
    const [id, controllers = "", ...path] = line.split(":");
    const version = id === "0" && controllers === "" ? 2 : 1;
    if (version === 1 && !controllers.split(",").includes("cpu")) return [];
    const mount = mounts.find(({ type, options }) =>
      version === 2 ? type === "cgroup2" : type === "cgroup" && options.split(",").includes("cpu"),
    );
    return mount === undefined ? [] : foldersUpTo(mount, path.join(":")).map((folder) => ({ folder, version }) as const);
  });
}

interface Mount {
  /** The folder that is mounted at `point`, as a path inside its file system. `/`: the whole file system is mounted. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
  /** The options of the file system, such as the controllers of a cgroup hierarchy. */
  readonly options: string;
}

/** Parses a line of /proc/self/mountinfo (proc_pid_mountinfo(5)). */
function parseMount(line: string): Mount {
  const [before = "", after = ""] = line.split(" - ");
  const [, , , root = "", point = ""] = before.split(" ");
  const [type = "", , options = ""] = after.split(" ");
  return { root: unescapeOctal(root), point: unescapeOctal(point), type, options };
}

/** Returns the folders from the cgroup `path` up to the mount point. */
function foldersUpTo({ root, point }: Mount, path: string): string[] {
  const below = relative(root, path);
  // If `path` is not below `root`, its folder is not visible. Then only the quota at the mount point can be read.
  const folders = below.startsWith("..") ? [point] : [join(point, below)];
  for (let at = folders[0] ?? point; at !== point && at !== "/"; at = dirname(at)) folders.push(dirname(at));
  return folders;
}

/** Returns the CPU quota of a cgroup, as a number of processors. Returns `Infinity` without a quota. */
function quotaOf(folder: string, version: 1 | 2, read: ProcessorSources["read"]): number {
  const [quota, period] =
    version === 2
      ? (read(join(folder, "cpu.max")) ?? "").trim().split(" ")
      : [read(join(folder, "cpu.cfs_quota_us")), read(join(folder, "cpu.cfs_period_us"))];
  // Without a quota, `quota` is "max" in version 2 and -1 in version 1. Then `processors` is NaN or negative.
  const processors = Number(quota) / Number(period);
  return processors > 0 ? processors : Number.POSITIVE_INFINITY;
}

/** `/proc/self/mountinfo` contains escapes such as `\040` for a space in a path. */
function unescapeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function linesOf(text: string | undefined): string[] {
  return (text ?? "").split("\n").filter((line) => line !== "");
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
