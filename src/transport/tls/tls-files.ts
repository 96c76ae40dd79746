import { readFileSync } from "node:fs";
import { messageOf } from "../../core/cause.ts";
import { absolutePathShown, pathShown, whyUnreadable } from "../../core/file-problem.ts";
import type { TlsIdentity } from "../../core/listen.ts";
import { TlsFilesError } from "../../core/start-error.ts";
import { checkTlsIdentity, type TlsExpiry, type TlsFileNames } from "./tls-check.ts";
import { type TlsExpiryParts, TlsExpiryWatch } from "./tls-expiry.ts";

/** The paths of the PEM files of a TLS identity. */
export interface TlsPaths {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string | undefined;
}

/** A valid TLS identity and the expiry of its certificates. */
export interface CheckedTls {
  readonly identity: TlsIdentity;
  readonly expiries: readonly TlsExpiry[];
}

/**
 * Reads the files, and checks that listeners can use them at `nowMs`. Throws `TlsFilesError` if a file cannot be read or used.
 */
export function readTlsFiles(paths: TlsPaths, nowMs: number): CheckedTls {
  return checkIdentity(readIdentity(paths), paths, nowMs);
}

function checkIdentity(identity: TlsIdentity, paths: TlsPaths, nowMs: number): CheckedTls {
  return { identity, expiries: checkTlsIdentity(identity, namesOf(paths), nowMs) };
}

function readIdentity(paths: TlsPaths): TlsIdentity {
  return {
    certificate: read("tls.certificate_file", paths.certificate),
    privateKey: read("tls.key_file", paths.key),
    clientAuthority: paths.clientCa === undefined ? undefined : read("tls.client_ca_file", paths.clientCa),
  };
}

function namesOf({ certificate, key, clientCa = "" }: TlsPaths): TlsFileNames {
  return {
    certificate: `tls.certificate_file (${pathShown(certificate)})`,
    key: `tls.key_file (${pathShown(key)})`,
    clientCa: `tls.client_ca_file (${pathShown(clientCa)})`,
  };
}

interface WatchParts extends TlsExpiryParts {
  readonly intervalMs: number;
  readonly onRenewed: (identity: TlsIdentity) => void;
}

/**
 * Reads the files every `intervalMs`, and calls `onRenewed` with each new valid identity. Compares the contents of the files,
 * because a renewal may replace either files or symbolic links.
 *
 * If the files cannot be used, logs an error, and the current identity stays in use.
 */
export function watchTlsFiles(paths: TlsPaths, current: CheckedTls, parts: WatchParts): TlsFilesWatch {
  const watch = new TlsWatch(paths, current, parts);
  const start = (intervalMs: number) => setInterval(() => watch.check(), intervalMs).unref();
  let timer = start(parts.intervalMs);
  return {
    get served() {
      return watch.served;
    },
    adopt(next, checked, intervalMs) {
      clearInterval(timer);
      watch.use(next, checked);
      timer = start(intervalMs);
    },
    stop: () => clearInterval(timer),
  };
}

export interface TlsFilesWatch {
  /** The identity in use. */
  readonly served: TlsIdentity;
  /** Uses the identity `checked`, which was read from `paths`. From now on, reads the files of `paths` every `intervalMs`. */
  adopt(paths: TlsPaths, checked: CheckedTls, intervalMs: number): void;
  stop(): void;
}

class TlsWatch {
  #paths: TlsPaths;
  readonly #parts: WatchParts;
  readonly #expiry: TlsExpiryWatch;
  #served: CheckedTls;
  #lastProblem = "";

  constructor(paths: TlsPaths, current: CheckedTls, parts: WatchParts) {
    this.#paths = paths;
    this.#parts = parts;
    this.#expiry = new TlsExpiryWatch(parts);
    this.#served = current;
    this.#expiry.check(current.expiries);
  }

  get served(): TlsIdentity {
    return this.#served.identity;
  }

  use(paths: TlsPaths, checked: CheckedTls): void {
    this.#paths = paths;
    this.#attempt(() => checked);
  }

  check(): void {
    this.#attempt(() => this.#read());
  }

  #attempt(read: () => CheckedTls): void {
    try {
      this.#renew(read());
      this.#lastProblem = "";
    } catch (error) {
      const cause = messageOf(error);
      if (cause !== this.#lastProblem) this.#parts.log.error("tls files unusable", { cause });
      this.#lastProblem = cause;
    }
    this.#expiry.check(this.#served.expiries);
  }

  /** Reads the files. If they did not change, returns the served identity. */
  #read(): CheckedTls {
    const identity = readIdentity(this.#paths);
    if (isSame(identity, this.#served.identity)) return this.#served;
    return checkIdentity(identity, this.#paths, this.#parts.clock.now());
  }

  #renew(checked: CheckedTls): void {
    if (isSame(checked.identity, this.#served.identity)) return;
    this.#parts.onRenewed(checked.identity);
    this.#served = checked;
    this.#expiry.renewed();
    this.#parts.log.info("tls certificate renewed");
  }
}

function isSame(a: TlsIdentity, b: TlsIdentity): boolean {
  return changedTlsFiles(a, b).length === 0;
}

const SETTINGS = [
  ["certificate", "tls.certificate_file"],
  ["privateKey", "tls.key_file"],
  ["clientAuthority", "tls.client_ca_file"],
] as const;

/** Returns the settings that name a file with a different content in `after`. `undefined` means that TLS is off. */
export function changedTlsFiles(before: TlsIdentity | undefined, after: TlsIdentity | undefined): readonly string[] {
  return SETTINGS.filter(([part]) => before?.[part] !== after?.[part]).map(([, setting]) => setting);
}

/** An error shows the absolute path, because a relative path depends on the working directory of the process. */
function read(setting: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new TlsFilesError(`${setting} (${absolutePathShown(path)}) cannot be read`, whyUnreadable(cause));
  }
}
