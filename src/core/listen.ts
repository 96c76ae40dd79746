import { messageOf } from "./cause.ts";
import { contains, parseIp, parseIpBlock } from "./ip-address.ts";

/** Where to listen, and what to say when that cannot be had. */
export interface ListenAddress {
  /** A name or an IP address, IPv6 without brackets. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** What a listener with TLS needs, as PEM texts. */
export interface TlsIdentity {
  readonly certificate: string;
  readonly privateKey: string;
  /** Whose signatures on client certificates are believed. Where it is given, a client without such a certificate is refused. */
  readonly clientAuthority: string | undefined;
}

/** The TLS files cannot be used. The message is for the person who starts the gateway, and shows nothing of their content. */
export class TlsFilesError extends Error {
  constructor(problem: string, cause: unknown) {
    super(`${problem}: ${messageOf(cause)}`);
    this.name = "TlsFilesError";
  }
}

/** A port that cannot be had, said in one line for the person who starts the process. `code` is the system's: EADDRINUSE, … */
export class ListenError extends Error {
  readonly code: string;
  readonly what: string;

  constructor(what: string, address: ListenAddress, cause: unknown) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const why = WHY_NOT[code] ?? messageOf(cause);
    super(`${what} cannot listen on ${formatAddress(address)}: ${why}`, { cause });
    this.name = "ListenError";
    this.code = code;
    this.what = what;
  }
}

const WHY_NOT: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use",
  EACCES: "the port needs more rights",
  EADDRNOTAVAIL: "this machine does not have the address",
};

/** `host:port`, with brackets around IPv6. */
export function formatAddress({ host, port }: ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine reaches what listens there. */
export function isLoopback(host: string): boolean {
  const address = parseIp(host);
  return address === undefined ? host === "localhost" : LOOPBACK.some((block) => contains(block, address));
}

/** RFC 1122 3.2.1.3, RFC 4291 2.5.3. */
const LOOPBACK = ["127.0.0.0/8", "::1"].map(parseIpBlock);

/** The URL under which this host reaches what listens there: a wildcard is reached over loopback. */
export function localUrl({ host, port }: ListenAddress, scheme: "http" | "https" = "http"): string {
  const loopback: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  return `${scheme}://${formatAddress({ host: loopback[host] ?? host, port })}`;
}
