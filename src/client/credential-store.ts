import type { DeviceKey, ExportableDeviceKey } from "./device-key.ts";
import { SallyportError } from "./errors.ts";
import type { SessionCredentials } from "./login.ts";

/** Stores the credentials of one device session. A method that fails rejects with `KeyStoreError`. */
export interface CredentialStore {
  /** Resolves to the stored credentials, or to `undefined` if there are none. */
  load(): Promise<SessionCredentials | undefined>;
  /** Replaces the stored credentials. */
  save(credentials: SessionCredentials): Promise<void>;
  /** Deletes the stored credentials. Does nothing if there are none. */
  clear(): Promise<void>;
}

/**
 * The error if credentials cannot be stored or loaded. Its `code` is one of these:
 * - `key_not_storable`: this store cannot keep a key of this kind.
 * - `store_unavailable`: the storage cannot be read or written.
 * - `store_unsafe`: the file is not a regular file, or others may read or change it.
 * - `store_damaged`: the store cannot read the stored data as credentials.
 */
export class KeyStoreError extends SallyportError {
  constructor(
    code: "key_not_storable" | "store_unavailable" | "store_unsafe" | "store_damaged",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, { code }, options);
    this.name = "KeyStoreError";
  }
}

/** Creates a store in memory. The credentials are gone when the app ends. */
export function memoryStore(): CredentialStore {
  let stored: SessionCredentials | undefined;
  return {
    load: async () => stored,
    save: async (credentials) => {
      stored = credentials;
    },
    clear: async () => {
      stored = undefined;
    },
  };
}

/** Returns true if the seed of a device key can be exported. */
export function isExportable(key: DeviceKey): key is ExportableDeviceKey {
  return "exportSeed" in key && typeof key.exportSeed === "function";
}
