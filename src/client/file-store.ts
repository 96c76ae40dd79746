import { randomUUID } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { type CredentialStore, isExportable, KeyStoreError } from "./credential-store.ts";
import { type DeviceKey, importDeviceKey } from "./device-key.ts";
import { member, parseJson, textMember } from "./json.ts";
import type { SessionCredentials } from "./login.ts";
import { WebCryptoDeviceKey } from "./webcrypto-key.ts";

/** Maximum size of the file. A valid file has about 200 bytes. */
const FILE_BYTES_MAX = 16 * 1024;
const FORMAT = "sallyport-credentials-1";
const P256 = { kty: "EC", crv: "P-256" };
/** The first byte of an uncompressed point (SEC 1, 2.3.3). */
const UNCOMPRESSED = 4;

/**
 * Creates a credential store in a file, for Node and Bun. It stores keys of both algorithms whose private key can be
 * exported: keys of `generateDeviceKey` with the option `exportable`, and keys of `generateExportableDeviceKey`.
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
  const keyFields = await keyFieldsOf(deviceKey);
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await checkFolder(folder);
  const existing = await lstat(file).catch(unlessMissing);
  if (existing !== undefined) checkFile(file, existing);
  const stored = { format: FORMAT, device_session_id: deviceSessionId, ...keyFields };
  await replace(file, `${JSON.stringify(stored, null, 2)}\n`);
}

/** Returns the fields of the file that contain the key: the seed of an Ed25519 key (RFC 8032 5.1.5), or a JWK (RFC 7518 6.2). */
async function keyFieldsOf(key: DeviceKey): Promise<JsonObject> {
  if (isExportable(key)) return { algorithm: key.algorithm, seed: base64Encode(key.exportSeed()) };
  if (!(key instanceof WebCryptoDeviceKey && key.privateKey.extractable))
    throw new KeyStoreError("key_not_storable", "a file stores only keys that generateDeviceKey makes with exportable: true");
  const { algorithm, privateKey } = key;
  const { x = "", y = "", d = "" } = await crypto.subtle.exportKey("jwk", privateKey);
  return algorithm === "ES256" ? { algorithm, jwk: { ...P256, x, y, d } } : { algorithm, seed: base64Encode(base64Decode(d)) };
}

/** Resolves to `undefined` if the fields contain no key. Rejects if the key is invalid. */
async function deviceKeyOf(stored: JsonValue | undefined): Promise<DeviceKey | undefined> {
  const [seed, jwk] = [textMember(stored, "seed"), member(stored, "jwk")];
  if (seed) return importDeviceKey(base64Decode(seed));
  const [x = "", y = "", d = ""] = ["x", "y", "d"].map((name) => textMember(jwk, name));
  if (x === "") return undefined;
  const parameters = { name: "ECDSA", namedCurve: P256.crv };
  const privateKey = await crypto.subtle.importKey("jwk", { ...P256, x, y, d }, parameters, true, ["sign"]);
  const publicKey = new Uint8Array([UNCOMPRESSED, ...base64Decode(x), ...base64Decode(y)]);
  return new WebCryptoDeviceKey("ES256", publicKey, privateKey);
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
  if (textMember(stored, "format") !== FORMAT || !deviceSessionId) throw damaged(file);
  const deviceKey = await deviceKeyOf(stored).catch(() => undefined);
  if (deviceKey === undefined) throw damaged(file);
  return { deviceSessionId, deviceKey };
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
