import { SallyportClient } from "../../../src/client/client.ts";
import { type DeviceKey, generateExportableDeviceKey, type KeyAlgorithm } from "../../../src/client/device-key.ts";
import { reasonOf, SallyportError } from "../../../src/client/errors.ts";
import { indexedDbStore } from "../../../src/client/indexed-db-store.ts";
import { confirmEmailCode, sendEmailCode } from "../../../src/client/login.ts";
import { generateDeviceKey, WebCryptoDeviceKey } from "../../../src/client/webcrypto-key.ts";

/** The client's keys in a page: IndexedDB, WebCrypto, and both algorithms against a real gateway. */

export function startLogin(baseUrl: string, email: string): Promise<{ challengeId: string }> {
  return sendEmailCode({ baseUrl, email });
}

/** Logs in with a new key and stores the credentials. */
export async function finishLogin(
  login: { baseUrl: string; challengeId: string; code: string },
  algorithm: KeyAlgorithm | "exportable" | "any",
  name: string,
): Promise<string> {
  const algorithms = algorithm === "EdDSA" || algorithm === "ES256" ? [algorithm] : undefined;
  const deviceKey = await (algorithm === "exportable" ? generateExportableDeviceKey() : generateDeviceKey({ algorithms }));
  const credentials = await confirmEmailCode({ ...login, deviceKey });
  await indexedDbStore({ name }).save(credentials);
  return credentials.deviceSessionId;
}

/** Takes WebCrypto away, as on a page over plain HTTP and in React Native. The client then loads noble. */
export function removeWebCrypto(): boolean {
  Object.defineProperty(crypto, "subtle", { value: undefined });
  return crypto.subtle === undefined;
}

/** Executes a command with the stored credentials, and tells what kind of key they have. */
export async function executeStored(baseUrl: string, name: string) {
  const credentials = await indexedDbStore({ name }).load();
  if (credentials === undefined) return undefined;
  const { resultCode } = await new SallyportClient({ baseUrl, credentials }).execute("user.profile.get");
  const { deviceKey, deviceSessionId } = credentials;
  return { deviceSessionId, resultCode, algorithm: deviceKey.algorithm, exported: await exportOf(deviceKey) };
}

/** What a script gets that tries to export the private key. */
async function exportOf(key: DeviceKey): Promise<string> {
  if (!(key instanceof WebCryptoDeviceKey)) return "a seed";
  const outcomes = (["pkcs8", "jwk", "raw"] as const).map((format) =>
    crypto.subtle.exportKey(format, key.privateKey).then(
      () => "exported",
      (error: Error) => error.name,
    ),
  );
  return [...new Set(await Promise.all(outcomes))].join();
}

export async function clear(name: string): Promise<boolean> {
  await indexedDbStore({ name }).clear();
  return (await indexedDbStore({ name }).load()) === undefined;
}

/** The error code of storing a key of the caller's own. */
export async function storeOwnSigner(): Promise<string> {
  const deviceKey: DeviceKey = { publicKey: new Uint8Array(32), sign: async () => new Uint8Array(64) };
  const error: unknown = await indexedDbStore()
    .save({ deviceSessionId: "ds-1", deviceKey })
    .catch((thrown: unknown) => thrown);
  return error instanceof SallyportError ? error.code : String(reasonOf(error));
}
