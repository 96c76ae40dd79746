import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { messageOf } from "../../core/cause.ts";
import { pathShown, whyUnreadable } from "../../core/file-problem.ts";
import type { Prepared } from "../../core/reload.ts";
import { TlsFilesError } from "../../core/start-error.ts";
import type { Log } from "../../core/telemetry.ts";
import type { CredentialSettings, NamedFile } from "./settings.ts";

/** The credentials of the connections to the backend. When a credential file changes, a new object replaces this one. */
export interface Identity {
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly token: string | undefined;
  /** The value of the header `Authorization`. */
  readonly authorization: string | undefined;
}

/** The syntax of a bearer token (RFC 6750 2.1). */
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
/** Maximum length of a token in a file. Most servers refuse longer headers. */
const TOKEN_CHARS_MAX = 4096;

/**
 * The gateway's token, client certificate and certificate authorities for the backend. Reads the files again at an interval, so
 * that renewed files apply without a restart. While the files cannot be used, their last good content stays in use.
 */
export class Credentials {
  #settings: CredentialSettings;
  #current: Identity;
  #timer: Timer | undefined;
  #lastProblem = "";
  readonly #log: Log;
  readonly #onChange: () => void;

  /**
   * Starts with the credentials `initial`. If they are missing, reads the files, and throws `TlsFilesError` if a file cannot be
   * read or used.
   */
  constructor(settings: CredentialSettings, log: Log, onChange: () => void, initial = readIdentity(settings)) {
    this.#settings = settings;
    this.#current = initial;
    this.#log = log;
    this.#onChange = onChange;
    this.#watch();
  }

  get current(): Identity {
    return this.#current;
  }

  /**
   * Reads the files that the new settings name. Throws `TlsFilesError` if a file cannot be read or used. The commit puts the
   * new settings and credentials into use.
   */
  prepare(settings: CredentialSettings): Prepared {
    const next = readIdentity(settings);
    return {
      commit: () => {
        this.#settings = settings;
        this.#replace(next);
        this.#watch();
      },
      changedFiles: this.#changedFiles(settings, next),
    };
  }

  /** Returns the settings that name a file with another content than the content in use. */
  #changedFiles({ ca, certificate, key, tokenFile }: CredentialSettings, { tls, token }: Identity): readonly string[] {
    const before = this.#current;
    const changed = [
      ...(tls.ca === before.tls.ca ? [] : [ca]),
      ...(tls.cert === before.tls.cert ? [] : [certificate]),
      ...(tls.key === before.tls.key ? [] : [key]),
      ...(token === before.token ? [] : [tokenFile]),
    ];
    return changed.filter(({ path }) => path !== undefined).map(({ setting }) => setting);
  }

  /** Reads the files again. If they cannot be used, logs the cause and keeps the current credentials. */
  check(): void {
    try {
      this.#replace(readIdentity(this.#settings));
      this.#lastProblem = "";
    } catch (error) {
      const cause = messageOf(error);
      if (cause !== this.#lastProblem) this.#log.error("backend credential files unusable", { cause });
      this.#lastProblem = cause;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #replace(next: Identity): void {
    if (Bun.deepEquals(next, this.#current)) return;
    this.#current = next;
    this.#log.info("backend credentials renewed");
    this.#onChange();
  }

  #watch(): void {
    clearInterval(this.#timer);
    const { ca, certificate, key, tokenFile, reloadMs } = this.#settings;
    const hasFiles = [ca, certificate, key, tokenFile].some(({ path }) => path !== undefined);
    if (hasFiles) this.#timer = setInterval(() => this.check(), reloadMs).unref();
  }
}

/** Reads and checks the files. Throws `TlsFilesError`, or a TypeError if the setting `token` is not a bearer token. */
export function readIdentity(settings: CredentialSettings): Identity {
  const [ca, cert, key] = [settings.ca, settings.certificate, settings.key].map(read);
  if (ca !== undefined) checked(settings.ca, () => new X509Certificate(ca));
  if (cert !== undefined && key !== undefined) checked(settings.certificate, () => requirePair(cert, key));
  const tls = { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
  checked(settings.certificate, () => createSecureContext(tls));
  const token = readToken(settings.tokenFile) ?? settings.token;
  if (token !== undefined && !BEARER_TOKEN.test(token)) throw new TypeError("the backend token is not a bearer token");
  return { tls, token, authorization: token === undefined ? undefined : `Bearer ${token}` };
}

function requirePair(certificate: string, key: string): void {
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
    throw new Error("the key does not belong to the certificate");
  }
}

function readToken(file: NamedFile): string | undefined {
  const token = read(file)?.trim();
  if (token === undefined) return undefined;
  if (token.length > TOKEN_CHARS_MAX || !BEARER_TOKEN.test(token)) {
    throw new TlsFilesError(nameOf(file), "the file does not hold one bearer token (RFC 6750)");
  }
  return token;
}

function read(file: NamedFile): string | undefined {
  if (file.path === undefined) return undefined;
  try {
    return readFileSync(file.path, "utf8");
  } catch (cause) {
    throw new TlsFilesError(`${nameOf(file)} cannot be read`, whyUnreadable(cause));
  }
}

function checked(file: NamedFile, check: () => unknown): void {
  try {
    check();
  } catch (cause) {
    throw new TlsFilesError(nameOf(file), cause);
  }
}

function nameOf({ setting, path }: NamedFile): string {
  return path === undefined ? setting : `${setting} (${pathShown(path)})`;
}
