import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { TlsFilesError, type TlsIdentity } from "../core/listen.ts";
import type { Log } from "../core/ports.ts";

/** Where the parts of a TLS identity lie, PEM each. */
export interface TlsPaths {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string | undefined;
}

/** Reads the files, and sees that certificate and key belong together. Throws `TlsFilesError`. */
export function readTlsFiles({ certificate, key, clientCa }: TlsPaths): TlsIdentity {
  const identity = {
    certificate: read("tls.certificate_file", certificate),
    privateKey: read("tls.key_file", key),
    clientAuthority: clientCa === undefined ? undefined : read("tls.client_ca_file", clientCa),
  };
  try {
    createSecureContext({ cert: identity.certificate, key: identity.privateKey, ca: identity.clientAuthority });
  } catch (cause) {
    throw new TlsFilesError(`tls.certificate_file (${certificate}) and tls.key_file (${key}) cannot be used together`, cause);
  }
  return identity;
}

/**
 * Looks at the files every `intervalMs`, by content, since renewals replace files as well as the links to them; tells of each new
 * identity that can be used. One that cannot (half written, say) is logged and passed over: the old one serves on.
 */
export function watchTlsFiles(
  paths: TlsPaths,
  current: TlsIdentity,
  options: { readonly intervalMs: number; readonly log: Log; readonly onRenewed: (identity: TlsIdentity) => void },
): { stop(): void } {
  let known = current;
  let lastProblem = "";
  const timer = setInterval(() => {
    try {
      const identity = readTlsFiles(paths);
      lastProblem = "";
      if (isSame(identity, known)) return;
      known = identity;
      options.onRenewed(identity);
      options.log.info("tls: renewed");
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== lastProblem)
        options.log.error("tls: the files cannot be used; the old ones serve on", { cause: problem });
      lastProblem = problem;
    }
  }, options.intervalMs).unref();
  return { stop: () => clearInterval(timer) };
}

function isSame(a: TlsIdentity, b: TlsIdentity): boolean {
  return a.certificate === b.certificate && a.privateKey === b.privateKey && a.clientAuthority === b.clientAuthority;
}

function read(key: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new TlsFilesError(`${key} (${path}) cannot be read`, cause);
  }
}
