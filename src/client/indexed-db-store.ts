import { type CredentialStore, isExportable, KeyStoreError } from "./credential-store.ts";
import { type DeviceKey, importDeviceKey, type KeyAlgorithm } from "./device-key.ts";
import { WebCryptoDeviceKey } from "./webcrypto-key.ts";

export interface IndexedDbStoreOptions {
  /** The name of the database. A database holds one session. Default: `sallyport`. */
  readonly name?: string | undefined;
}

/** How IndexedDB holds a key: as a `CryptoKey` that cannot be exported, or as the seed of an exportable key. */
type StoredKey =
  | { readonly algorithm: KeyAlgorithm; readonly publicKey: Uint8Array; readonly privateKey: CryptoKey }
  | { readonly seed: Uint8Array };
type Stored = { readonly deviceSessionId: string } & StoredKey;

const OBJECT_STORE = "credentials";
const RECORD = "current";

/**
 * Creates a store in the browser's IndexedDB. A WebCrypto key is stored without exporting it: a script in the page can use it,
 * but cannot copy it. An `ExportableDeviceKey` is stored as its seed. `save` rejects if the key comes from your own
 * implementation of `DeviceKey`.
 */
export function indexedDbStore({ name = "sallyport" }: IndexedDbStoreOptions = {}): CredentialStore {
  return {
    async load() {
      const stored: Stored | undefined = await transact(name, "readonly", (records) => records.get(RECORD));
      return stored && { deviceSessionId: stored.deviceSessionId, deviceKey: await keyOf(stored) };
    },
    async save({ deviceSessionId, deviceKey }) {
      const stored: Stored = { deviceSessionId, ...storedKeyOf(deviceKey) };
      await transact(name, "readwrite", (records) => records.put(stored, RECORD));
    },
    async clear() {
      await transact(name, "readwrite", (records) => records.delete(RECORD));
    },
  };
}

function storedKeyOf(key: DeviceKey): StoredKey {
  if (isExportable(key)) return { seed: key.exportSeed() };
  if (key instanceof WebCryptoDeviceKey)
    return { algorithm: key.algorithm, publicKey: key.publicKey, privateKey: key.privateKey };
  throw new KeyStoreError("key_not_storable", "IndexedDB stores only keys that this package has made");
}

async function keyOf(stored: StoredKey): Promise<DeviceKey> {
  if ("seed" in stored) return importDeviceKey(stored.seed);
  return new WebCryptoDeviceKey(stored.algorithm, stored.publicKey, stored.privateKey);
}

/** Runs one request in a transaction of its own. Resolves when the transaction is complete. */
async function transact<T>(
  name: string,
  mode: IDBTransactionMode,
  run: (records: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  try {
    const database = await open(name);
    try {
      return await new Promise<T>((resolve, reject) => {
        const transaction = database.transaction(OBJECT_STORE, mode);
        const request = run(transaction.objectStore(OBJECT_STORE));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  } catch (error) {
    throw new KeyStoreError("store_unavailable", `the database ${name} cannot be used`, { cause: error });
  }
}

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore(OBJECT_STORE);
    };
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}
