import { join } from "node:path";
import type { KeyAlgorithm } from "../../client/device-key.ts";
import type { SessionCredentials } from "../../client/login.ts";
import { isDeviceSessionId, isMessageType } from "../../core/grammar.ts";
import { isJsonObject, parseJson } from "../../core/json-body.ts";
import { deviceKeyOf, type PrivateJwk, privateJwkOf } from "./device-key-file.ts";
import { deletePrivate, PrivateFileError, readPrivate, writePrivate } from "./private-file.ts";

/** A login that waits for its code. */
export interface PendingLogin {
  readonly challengeId: string;
  readonly url: string;
  readonly email: string;
}

/** A login that was completed. */
export interface Login {
  readonly url: string;
  readonly email: string | undefined;
  readonly deviceSessionId: string;
  readonly jwk: PrivateJwk;
}

/** A completed login whose device key is loaded and can sign. */
export interface OpenedLogin extends Omit<Login, "jwk"> {
  readonly credentials: SessionCredentials & { readonly deviceKey: { readonly algorithm: KeyAlgorithm } };
}

const TYPES_MAX = 100;

/**
 * One profile: a folder that contains a login, a pending login, and the message types of earlier calls.
 *
 * The client's `fileStore` is not used for the login, because it does not store URLs.
 */
export class Profile {
  readonly name: string;
  readonly #folder: string;

  constructor(name: string, configFolder: string) {
    this.name = name;
    this.#folder = join(profilesFolder(configFolder), name);
  }

  /** The file with the session and its private key. */
  get loginPath(): string {
    return join(this.#folder, "login.json");
  }

  /** Reads the login. Resolves to `undefined` if there is none. Rejects with `PrivateFileError`. */
  async login(): Promise<OpenedLogin | undefined> {
    const json = await readJson(this.loginPath);
    if (json === undefined) return undefined;
    const [url, deviceSessionId] = [textOf(json, "url"), textOf(json, "device_session_id")];
    const jwk = privateJwkOf(json["key"]);
    if (!url || !isDeviceSessionId(deviceSessionId ?? "") || deviceSessionId === undefined || jwk === undefined)
      throw damaged(this.loginPath);
    const deviceKey = await deviceKeyOf(jwk).catch(() => {
      throw damaged(this.loginPath);
    });
    return { url, email: textOf(json, "email"), deviceSessionId, credentials: { deviceSessionId, deviceKey } };
  }

  saveLogin({ url, email, deviceSessionId, jwk }: Login): Promise<void> {
    return writePrivate(this.loginPath, toJson({ url, email, device_session_id: deviceSessionId, key: jwk }));
  }

  /** Deletes the session and its private key. */
  forgetLogin(): Promise<void> {
    return deletePrivate(this.loginPath);
  }

  async pendingLogin(): Promise<PendingLogin | undefined> {
    const json = await readJson(this.#pendingPath);
    const [challengeId, url, email] = ["challenge_id", "url", "email"].map((name) => textOf(json, name));
    return challengeId && url && email ? { challengeId, url, email } : undefined;
  }

  savePendingLogin({ challengeId, url, email }: PendingLogin): Promise<void> {
    return writePrivate(this.#pendingPath, toJson({ challenge_id: challengeId, url, email }));
  }

  forgetPendingLogin(): Promise<void> {
    return deletePrivate(this.#pendingPath);
  }

  /** Returns the message types of earlier calls, most recent first. They are used for shell completion. */
  async messageTypes(): Promise<readonly string[]> {
    const types = (await readJson(this.#typesPath))?.["message_types"];
    return Array.isArray(types) ? types.filter((type) => typeof type === "string" && isMessageType(type)) : [];
  }

  async rememberMessageType(type: string): Promise<void> {
    const known = await this.messageTypes();
    if (known[0] === type) return;
    const types = [type, ...known.filter((each) => each !== type)].slice(0, TYPES_MAX);
    await writePrivate(this.#typesPath, toJson({ message_types: types }));
  }

  get #pendingPath(): string {
    return join(this.#folder, "pending-login.json");
  }

  get #typesPath(): string {
    return join(this.#folder, "message-types.json");
  }
}

export function profilesFolder(configFolder: string): string {
  return join(configFolder, "profiles");
}

async function readJson(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const text = await readPrivate(path);
  if (text === undefined) return undefined;
  const json = parseJson(text);
  if (!isJsonObject(json)) throw damaged(path);
  return json;
}

function textOf(json: Readonly<Record<string, unknown>> | undefined, name: string): string | undefined {
  const value = json?.[name];
  return typeof value === "string" ? value : undefined;
}

function toJson(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function damaged(path: string): PrivateFileError {
  return new PrivateFileError(`${path} is damaged; delete it and log in again`);
}
