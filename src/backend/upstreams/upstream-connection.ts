import { type HttpAnswer, type HttpCall, readBody } from "../rest/http-client.ts";
import type { Identity } from "./credentials.ts";
import type { UpstreamAddress } from "./upstream-address.ts";

/**
 * Time after which the gateway closes an idle connection, in seconds. Most backends keep idle connections longer, so the gateway
 * closes first. It then sends no request on a connection that the backend is closing.
 */
const KEEP_ALIVE_S = 4;
const JSON_TYPE = "application/json";

type Fetch = Bun.FetchSession["fetch"];

/** The persistent connections of one pool to one address. Ignores the environment variables that configure a proxy. */
export class Connection {
  readonly identity: Identity;
  readonly #session: Bun.FetchSession;
  readonly #fetch: Fetch;
  readonly #baseUrl: string;
  readonly #host: string | undefined;

  constructor({ baseUrl, url }: UpstreamAddress, identity: Identity) {
    this.identity = identity;
    this.#baseUrl = baseUrl;
    // With `serverName`, Bun connects to the address, but sends the name in SNI and verifies the certificate for the name.
    const tls = { ...identity.tls, ...(url.isName && { serverName: url.hostname }) };
    const withTls = url.isTls && Object.keys(tls).length > 0;
    this.#session = new Bun.FetchSession({ proxy: false, keepAlive: { idleTimeout: KEEP_ALIVE_S }, ...(withTls && { tls }) });
    this.#fetch = this.#session.fetch;
    this.#host = url.isName ? url.host : undefined;
  }

  /**
   * Sends a call and reads its answer. If the backend closes a reused connection during the request, Bun sends the request
   * again on a new connection. Bun does this only for idempotent methods (RFC 9110 9.2.2).
   */
  async send(
    { method, target, headers, body, contentType, accept }: HttpCall,
    bytesMax: number,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    headers["Accept"] = accept ?? JSON_TYPE;
    if (body !== undefined) headers["Content-Type"] = contentType ?? JSON_TYPE;
    this.#addOwnHeaders(headers);
    const response = await this.#fetch(this.#baseUrl + target, {
      method,
      headers,
      body: body instanceof Uint8Array ? new Uint8Array(body) : (body ?? null),
      redirect: "manual",
      decompress: false,
      signal,
    });
    return { status: response.status, headers: response.headers, body: await readBody(response, bytesMax) };
  }

  /** Sends a GET, ignores the body of the answer, and returns its status. */
  async status(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<number> {
    this.#addOwnHeaders(headers);
    const response = await this.#fetch(this.#baseUrl + path, { headers, redirect: "manual", decompress: false, signal });
    await response.body?.cancel();
    return response.status;
  }

  /** Closes the idle connections. Running calls continue. */
  close(): void {
    this.#session.close();
  }

  #addOwnHeaders(headers: Record<string, string>): void {
    // The answer must be uncompressed, because a small compressed body could decompress to any size.
    headers["Accept-Encoding"] = "identity";
    if (this.identity.authorization !== undefined) headers["Authorization"] = this.identity.authorization;
    if (this.#host === undefined) delete headers["Host"];
    else headers["Host"] = this.#host;
  }
}
