import { closeSync, constants, fstatSync, lstatSync, openSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode, messageOf } from "../../core/cause.ts";
import { pathShown, setAside } from "../../core/file-problem.ts";
import { StoreError } from "../../core/start-error.ts";
import type { Log } from "../../core/telemetry.ts";
import { adopt, fileBytes, type Header, isForeign, stateOf, writeNewReserved } from "./file-layout.ts";

const MODE = 0o600;
const MODE_MASK = 0o777;
const RETRY_MS = 10;
/** Maximum time to wait for the lock while another process creates the contents of the file, in ms. */
const WRITER_WAIT_MS_MAX = 30_000;
/** Maximum time to wait for other processes that start at the same time, in ms. They hold their locks only briefly. */
const STARTER_WAIT_MS_MAX = 1000;

/** The names of settings, for error messages. */
export interface SharedSettingNames {
  /** The setting that contains the path of the file. */
  readonly file: string;
  /** The settings that decide the sizes of the tables, as a list for a sentence. */
  readonly sizes: string;
}

/** Locks of an open file (flock(2)). They belong to the open file, so processes that inherit its fd hold them too. */
export interface FileLocks {
  /** Takes the shared lock instead of the lock that the fd has. Returns `false` if another process has the exclusive lock. */
  tryShared(fd: number): boolean;
  /**
   * Takes the exclusive lock instead of the lock that the fd has. Returns `false` if another process has a lock. The fd then has
   * no lock.
   */
  tryExclusive(fd: number): boolean;
}

export interface SharedFileOptions {
  readonly path: string;
  /** The size of each table in bytes. */
  readonly tables: readonly number[];
  readonly nowMs: number;
  /** If true, another process of this gateway uses the file. The file must then exist and be usable. */
  readonly isInherited?: boolean;
  readonly settingNames: SharedSettingNames;
  readonly locks: FileLocks;
  readonly log: Pick<Log, "warn">;
}

export interface OpenedFile {
  /** The open file, with the shared lock. Keep it open while the file is used. */
  readonly fd: number;
  /** Whether `openSharedFile` created the contents of the file. */
  readonly isNew: boolean;
  /** When the contents were created, in Unix ms. */
  readonly createdMs: number;
}

/**
 * Opens the shared file. Creates the file if it does not exist. Throws `StoreError` if the file cannot be used or created. For
 * example, the disk is full, or the file belongs to another user.
 *
 * - If the file's header names another boot, layout or table size, its contents are replaced. All reservations in them are lost.
 * - While another process uses the file, its contents are not replaced, and the function throws. With two sets of contents, a
 *   request could be accepted twice.
 * - The processes of one file need one PID namespace, because each checks which others are running.
 * - A file that is not a shared file is renamed, and its contents are kept.
 */
export function openSharedFile(options: SharedFileOptions): OpenedFile {
  try {
    let isNew = false;
    const waitedMs = new Map<string, number>();
    for (;;) {
      const outcome = attempt(options);
      if (outcome.kind === "opened") return { fd: outcome.fd, createdMs: outcome.header.createdMs, isNew };
      if (outcome.kind === "created") {
        isNew = true;
        continue;
      }
      const { problem, waitMsMax } = outcome;
      const waited = waitedMs.get(problem) ?? 0;
      if (waited >= waitMsMax) throw new Error(problem);
      waitedMs.set(problem, waited + RETRY_MS);
      Bun.sleepSync(RETRY_MS);
    }
  } catch (error) {
    const { settingNames, path } = options;
    throw new StoreError(`${settingNames.file} ${pathShown(path)}: ${reasonOf(error, options)}`, { cause: error });
  }
}

/** Whether there is a file at `path` that is not a shared file. Returns false if it cannot be read. */
export function isForeignSharedFile(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    return fstatSync(fd).isFile() && isForeign(fd);
  } finally {
    closeSync(fd);
  }
}

const NOT_INHERITED = "not the file of the running gateway, or of other sizes; restart the gateway instead";
const BLOCKED_PROBLEMS = {
  "other namespace":
    "a process in another PID namespace, such as another container, uses it; only processes of one PID namespace can share it; choose another path",
  foreign: "another program has locked it; choose another path",
};

type Outcome =
  | { readonly kind: "opened"; readonly fd: number; readonly header: Header }
  /** The file now has contents. The next attempt opens it. */
  | { readonly kind: "created" }
  /** Another process uses or changes the file. After `waitMsMax`, this is an error. */
  | { readonly kind: "blocked"; readonly problem: string; readonly waitMsMax: number };

function attempt(options: SharedFileOptions): Outcome {
  const fd = openOrCreate(options);
  if (fd === undefined) return REPLACED;
  let isKept = false;
  try {
    requireOwnFile(fd);
    const outcome = use(fd, options);
    isKept = outcome.kind === "opened";
    return outcome;
  } finally {
    if (!isKept) closeSync(fd);
  }
}

const REPLACED: Outcome = {
  kind: "blocked",
  problem: "other processes replace it again and again",
  waitMsMax: STARTER_WAIT_MS_MAX,
};
const LOCKED: Outcome = {
  kind: "blocked",
  problem: "another process has locked it, or its file system has no locks",
  waitMsMax: WRITER_WAIT_MS_MAX,
};

/** Opens the file for use by this process if possible. Otherwise, makes the contents usable while this process is alone. */
function use(fd: number, options: SharedFileOptions): Outcome {
  const { path, tables, isInherited, locks, settingNames } = options;
  if (!locks.tryShared(fd)) return LOCKED;
  if (!isAt(fd, path)) return REPLACED;
  const state = stateOf(fd, tables);
  if (state.kind === "usable") return { kind: "opened", fd, header: state.header };
  if (isInherited) throw new Error(NOT_INHERITED);
  if (!locks.tryExclusive(fd)) {
    const problem =
      state.kind === "unusable"
        ? `another process uses it, and for this process ${state.problem}; stop it, or choose another path (a change of ${settingNames.sizes} changes the sizes)`
        : BLOCKED_PROBLEMS[state.kind];
    return { kind: "blocked", problem, waitMsMax: STARTER_WAIT_MS_MAX };
  }
  return isAt(fd, path) ? makeUsable(fd, options) : REPLACED;
}

/** Makes the contents of the file usable. This process must have the exclusive lock. */
function makeUsable(fd: number, { path, tables, nowMs, settingNames, log }: SharedFileOptions): Outcome {
  // Another process may have changed the file before this process got the exclusive lock.
  const state = stateOf(fd, tables);
  if (state.kind === "usable") return REPLACED;
  if (state.kind === "foreign") {
    setAside(path, settingNames.file, log);
    return REPLACED;
  }
  if (state.kind === "other namespace") {
    adopt(fd, state.header, tables);
    return REPLACED;
  }
  try {
    writeNewReserved(fd, tables, nowMs);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
  return { kind: "created" };
}

function openOrCreate({ path, isInherited }: SharedFileOptions): number | undefined {
  const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    return openSync(path, flags);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    if (isInherited) throw new Error(NOT_INHERITED);
  }
  try {
    return openSync(path, flags | constants.O_CREAT | constants.O_EXCL, MODE);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return undefined;
    throw error;
  }
}

function requireOwnFile(fd: number): void {
  const stat = fstatSync(fd);
  if (!stat.isFile()) throw new Error("not a regular file");
  if (stat.uid !== process.getuid?.()) throw new Error("belongs to another user");
  if ((stat.mode & MODE_MASK) !== MODE) throw new Error("its mode must be 0600");
}

/** Whether `path` still names the open file. Another process may have removed or replaced the file. */
function isAt(fd: number, path: string): boolean {
  const [named, opened] = [lstatSync(path, { throwIfNoEntry: false }), fstatSync(fd)];
  return named?.ino === opened.ino && named.dev === opened.dev;
}

function reasonOf(error: unknown, { path, tables, settingNames }: SharedFileOptions): string {
  const code = errorCode(error);
  const mebibytes = Math.ceil(fileBytes(tables) / 1024 / 1024);
  if (code === "ENOSPC") return `no room for ${mebibytes} MiB; lower ${settingNames.sizes}, or choose another file system`;
  if (code === "ELOOP") return "is a symbolic link";
  if (code === "ENOENT") return `its folder ${pathShown(dirname(path))} does not exist; create it`;
  return messageOf(error);
}
