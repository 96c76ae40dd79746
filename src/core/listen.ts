import { isIP } from "node:net";
import { errorCode, messageOf } from "./cause.ts";
import { contains, parseIp, parseIpBlock } from "./ip-address.ts";

export interface ListenAddress {
  /** A host name or an IP address. An IPv6 address has no brackets. */
  readonly host: string;
  /** If the port is 0, the system chooses a free port. */
  readonly port: number;
  /**
   * Whether other processes of this user may listen on the same port (SO_REUSEPORT). The kernel spreads new connections over
   * all of them.
   */
  readonly isShared?: boolean;
}

/** The certificate chain, private key and client authorities of a TLS listener, as PEM texts. */
export interface TlsIdentity {
  readonly certificate: string;
  readonly privateKey: string;
  /**
   * The certificate authorities for client certificates. If they are set, every client must present a certificate that one of
   * them signed.
   */
  readonly clientAuthority: string | undefined;
}

/**
 * Returns the TLS options of a server, for `Bun.serve` and `node:tls`. If the identity names client authorities, a client must
 * present a certificate. If not, the server requests no client certificate.
 */
export function serverTlsOptions({ certificate: cert, privateKey: key, clientAuthority: ca }: TlsIdentity) {
  return ca === undefined ? { cert, key } : { cert, key, ca, requestCert: true, rejectUnauthorized: true };
}

/**
 * A listener cannot bind its address. The one-line message is for operators. `code` is the system's error code, such as
 * EADDRINUSE.
 */
export class ListenError extends Error {
  readonly code: string;
  readonly what: string;

  constructor(what: string, address: ListenAddress, cause: unknown) {
    const code = errorCode(cause);
    const why = LISTEN_ERRORS[code] ?? messageOf(cause);
    super(`${what} cannot listen on ${formatAddress(address)}: ${why}`, { cause });
    this.name = "ListenError";
    this.code = code;
    this.what = what;
  }
}

/** For each listener name in a `ListenError`: the setting that contains the address of the listener. */
const LISTEN_SETTINGS: Readonly<Record<string, string>> = {
  "the edge": "edge.listen",
  "the gRPC listener": "grpc.listen",
  "the admin listener": "admin.listen",
  "the private listener": "push.listen",
  "the embedded backend's REST API": "dev.backend_listen",
  "the embedded backend's push feed": "dev.push_listen",
};

/** For a `ListenError`, returns the advice to use another address, for the end of its message. Otherwise, returns an empty text. */
export function listenAdvice(error: unknown): string {
  const setting = error instanceof ListenError ? LISTEN_SETTINGS[error.what] : undefined;
  return setting === undefined ? "" : `; to use another address, --set ${setting}=HOST:PORT`;
}

const LISTEN_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use",
  EACCES: "the process lacks the right to use this port",
  EADDRNOTAVAIL: "this machine does not have the address",
};

const PORT_MAX = 65_535;

/** Returns `host:port`, with brackets around an IPv6 address. */
export function formatAddress({ host, port }: ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads `host:port`, with brackets around an IPv6 address. Returns `undefined` if the text has another form. */
export function parseAddress(text: string): ListenAddress | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > PORT_MAX) return undefined;
  return bracketed === undefined || isIP(bracketed) === 6 ? { host, port } : undefined;
}

/** Returns the `hostname` of a URL without the brackets that it has around an IPv6 address. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "");
}

/** Whether the host is a loopback address, or `localhost`. */
export function isLoopback(host: string): boolean {
  const address = parseIp(host);
  return address === undefined ? host === "localhost" : LOOPBACK.some((block) => contains(block, address));
}

/** The loopback addresses (RFC 1122 3.2.1.3, RFC 4291 2.5.3). */
const LOOPBACK = ["127.0.0.0/8", "::1"].map(parseIpBlock);

/** Returns the URL of a listener for clients on the same machine. Replaces a wildcard address by the loopback address. */
export function localUrl({ host, port }: ListenAddress, scheme: "http" | "https" = "http"): string {
  const loopback: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  return `${scheme}://${formatAddress({ host: loopback[host] ?? host, port })}`;
}
