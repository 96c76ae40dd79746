import { isIP } from "node:net";
import { withoutBrackets } from "../../core/listen.ts";

/**
 * The URL of an upstream. The gateway connects to one address of the host. It sends the name of the host in `Host` and in SNI,
 * and verifies the certificate for this name.
 */
export class UpstreamUrl {
  /** The host of the URL, without the brackets of an IPv6 address. */
  readonly hostname: string;
  readonly port: number;
  /** True if the host is a name whose addresses the gateway looks up. */
  readonly isName: boolean;
  readonly isTls: boolean;
  /** The value of the header `Host`. */
  readonly host: string;
  readonly #before: string;
  readonly #after: string;

  constructor(text: string) {
    const { protocol, hostname, port, host, pathname } = new URL(text);
    this.isTls = protocol === "https:";
    this.hostname = withoutBrackets(hostname);
    this.port = Number(port) || (this.isTls ? 443 : 80);
    this.isName = isIP(this.hostname) === 0 && !isLocalhost(this.hostname);
    this.host = host;
    this.#before = `${protocol}//`;
    this.#after = (port === "" ? "" : `:${port}`) + pathname.replace(/\/+$/, "");
  }

  /** Returns the URL with this address in place of the host, without a slash at its end. */
  at(address: string): string {
    return this.#before + (isIP(address) === 6 ? `[${address}]` : address) + this.#after;
  }
}

/** The gateway does not look up `localhost`. Servers often listen on only one loopback address, and Bun tries both. */
function isLocalhost(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost");
}
