import { randomUUID } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { type CredentialStore, isExportable, KeyStoreError } from "./credential-store.ts";
import { importDeviceKey } from "./device-key.ts";
import { parseJson, textMember } from "./json.ts";
import type { SessionCredentials } from "./login.ts";

/** Maximum size of the file. A valid file has about 200 bytes. */
const FILE_BYTES_MAX = 16 * 1024;
const FORMAT = "sallyport-credentials-1";

/**
 * Creates a credential store in a file, for Node and Bun. It stores only keys of `generateExportableDeviceKey`.
 *
 * The file has mode 600. A missing folder is created with mode 700. The file is replaced atomically: a crash leaves the old or
 * the new file.
 *
 * `load` and `save` reject with a `KeyStoreError` of code `store_unsafe` in these cases. On Windows, only the first case is
 * checked:
 * - The file is not a regular file, or its folder is not a folder.
 * - The file is a symbolic link.
 * - The file belongs to another user, or other users have any permission for it.
 * - The folder belongs to another user who is not root, or other users may write into it.
 */
export function fileStore(path: string): CredentialStore {
  const file = resolve(path);
  return {
    load: () => guarded(file, () => load(file)),
    save: (credentials) => guarded(file, () => save(file, credentials)),
    clear: () => guarded(file, () => rm(file, { force: true })),
  };
}

async function load(file: string): Promise<SessionCredentials | undefined> {
  if (!(await checkFolder(dirname(file)))) return undefined;
  const handle = await open(file, constants.O_RDONLY | NO_FOLLOW | NO_WAIT).catch(unlessMissing);
  if (handle === undefined) return undefined;
  try {
    checkFile(file, await handle.stat());
    return await credentialsOf(file, await textOf(handle));
  } finally {
    await handle.close();
  }
}

async function save(file: string, { deviceSessionId, deviceKey }: SessionCredentials): Promise<void> {
  if (!isExportable(deviceKey))
    throw new KeyStoreError("key_not_storable", "a file stores only keys of generateExportableDeviceKey");
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await checkFolder(folder);
  const existing = await lstat(file).catch(unlessMissing);
  if (existing !== undefined) checkFile(file, existing);
  const seed = base64Encode(deviceKey.exportSeed());
  const stored = { format: FORMAT, device_session_id: deviceSessionId, algorithm: deviceKey.algorithm, seed };
  await replace(file, `${JSON.stringify(stored, null, 2)}\n`);
}

/** Replaces the file atomically: writes a new file in the same folder and renames it. */
async function replace(file: string, text: string): Promise<void> {
  const draft = join(dirname(file), `.${basename(file)}.${randomUUID()}`);
  try {
    const handle = await open(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW, 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function textOf(handle: FileHandle): Promise<string> {
  const bytes = Buffer.alloc(FILE_BYTES_MAX + 1);
  const { bytesRead } = await handle.read(bytes, 0, bytes.byteLength, 0);
  return bytes.toString("utf8", 0, bytesRead);
}

async function credentialsOf(file: string, text: string): Promise<SessionCredentials> {
  const stored = parseJson(text);
  const deviceSessionId = textMember(stored, "device_session_id");
  const seed = textMember(stored, "seed");
  if (textMember(stored, "format") !== FORMAT || !deviceSessionId || !seed) throw damaged(file);
  try {
    return { deviceSessionId, deviceKey: await importDeviceKey(base64Decode(seed)) };
  } catch {
    throw damaged(file);
  }
}

function damaged(file: string): KeyStoreError {
  return new KeyStoreError("store_damaged", `${file} holds no credentials of this package`);
}

/** Windows has neither POSIX file modes nor user ids. */
const HAS_MODES = process.platform !== "win32";
const NO_FOLLOW = HAS_MODES ? constants.O_NOFOLLOW : 0;
/** Without `O_NONBLOCK`, opening a named pipe waits for a writer. */
const NO_WAIT = HAS_MODES ? constants.O_NONBLOCK : 0;
const ROOT = 0;
const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;

function checkFile(file: string, found: Stats): void {
  if (!found.isFile()) throw unsafe(file, "is no regular file");
  if (!HAS_MODES) return;
  if (found.uid !== process.getuid?.()) throw unsafe(file, "belongs to another user");
  if (found.mode & OTHERS) throw unsafe(file, `has mode ${modeOf(found)}, expected 600`);
}

/** Resolves to false if the folder is missing. Rejects with a `KeyStoreError` if the folder is unsafe. */
async function checkFolder(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(unlessMissing);
  if (found === undefined) return false;
  if (!found.isDirectory()) throw unsafe(folder, "is no folder");
  if (!HAS_MODES) return true;
  if (found.uid !== process.getuid?.() && found.uid !== ROOT) throw unsafe(folder, "belongs to another user");
  if (found.mode & OTHERS_WRITE) throw unsafe(folder, `has mode ${modeOf(found)}: others may write into it`);
  return true;
}

function modeOf({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(3, "0");
}

function unsafe(path: string, why: string): KeyStoreError {
  return new KeyStoreError("store_unsafe", `${path} ${why}`);
}

function unlessMissing(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** Runs an operation. A failure of the file system becomes a `KeyStoreError`. */
async function guarded<T>(file: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof KeyStoreError) throw error;
    // With O_NOFOLLOW, ELOOP means that the file is a symbolic link.
    if (codeOf(error) === "ELOOP") throw unsafe(file, "is a symbolic link");
    throw new KeyStoreError("store_unavailable", `${file} cannot be read or written`, { cause: error });
  }
}
