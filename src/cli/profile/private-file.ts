import { constants, lstatSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errorCode } from "../../core/cause.ts";
import { whyUnreadable } from "../../core/file-problem.ts";

/** A file or folder of the configuration folder cannot be used. The message names the path and what to do. */
export class PrivateFileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PrivateFileError";
  }
}

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** The permissions of group and others. A private file or folder has none of them. */
const OTHERS = 0o077;
const BYTES_MAX = 64 * 1024;

/**
 * Reads a private file. Resolves to `undefined` if it does not exist. Rejects with `PrivateFileError` if other users have
 * access to the file or its folder.
 */
export async function readPrivate(path: string): Promise<string | undefined> {
  checkFolder(dirname(path));
  try {
    // Without O_NONBLOCK, opening a FIFO waits for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const status = await file.stat();
      if (!status.isFile()) throw new PrivateFileError(`${path} is not a regular file; move it away`);
      checkOwner(path, status, FILE_MODE);
      if (status.size > BYTES_MAX) throw new PrivateFileError(`${path} is larger than ${BYTES_MAX} bytes; move it away`);
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    if (errorCode(error) === "ELOOP") throw new PrivateFileError(`${path} is a symbolic link; replace it with the file itself`);
    throw problemOf(path, error);
  }
}

/** Writes a private file: mode 600 in a folder of mode 700. A reader finds the old content or the new one, never a part. */
export async function writePrivate(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}`);
  try {
    await makeFolder(dirname(path));
    const file = await open(temporary, "wx", FILE_MODE);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw problemOf(path, error);
  }
}

/** Deletes the file if it exists. */
export async function deletePrivate(path: string): Promise<void> {
  try {
    checkFolder(dirname(path));
    await rm(path, { force: true });
  } catch (error) {
    throw problemOf(path, error);
  }
}

async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  checkFolder(folder);
}

function checkFolder(folder: string): void {
  const status = lstatSync(folder, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (!status.isDirectory()) throw new PrivateFileError(`${folder} is not a folder; move it away`);
  checkOwner(folder, status, FOLDER_MODE);
}

function checkOwner(path: string, { uid, mode }: { readonly uid: number; readonly mode: number }, wanted: number): void {
  if (uid !== process.getuid?.()) throw new PrivateFileError(`${path} belongs to another user; use a folder of your own`);
  if ((mode & OTHERS) === 0) return;
  throw new PrivateFileError(`other users have access to ${path}; run: chmod ${wanted.toString(8)} ${quoted(path)}`);
}

/** Quotes the path, if necessary, so that a shell reads it as one word. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function problemOf(path: string, error: unknown): unknown {
  if (error instanceof PrivateFileError) return error;
  return new PrivateFileError(`${path} cannot be used: ${whyUnreadable(error)}`);
}
