import { connect, isIP, type NetConnectOpts, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { withoutBrackets } from "../../core/listen.ts";
import { usesTls } from "./redis-call.ts";
import type { RedisTls, RedisTlsFiles } from "./redis-tls.ts";

const DEFAULT_PORT = 6379;
/**
 * Maximum length of the replies that the probe reads, in characters. An error reply of Redis is one short line. So a server
 * that sends more is not Redis.
 */
const REPLY_CHARACTERS_MAX = 4096;

export interface ProbeOptions {
  readonly url: string;
  readonly tls: RedisTls | undefined;
  /** The TLS files, each with the name of its setting. An error about a certificate names the setting. */
  readonly tlsFiles: RedisTlsFiles | undefined;
  readonly timeoutMs: number;
}

/**
 * Explains why a connection to Redis failed. Resolves to a phrase without secrets.
 *
 * RedisClient reports a closed port, a wrong password and a TLS mismatch with the same error. So this function connects once
 * more, logs in and reads the replies.
 */
export function explainFailure(options: ProbeOptions): Promise<string> {
  const { url, tls, timeoutMs } = options;
  const { promise, resolve } = Promise.withResolvers<string>();
  const commands = loginCommands(url);
  const socket = openSocket(url, tls);
  let replies = "";
  let isOpen = false;
  socket.once(usesTls(url) ? "secureConnect" : "connect", () => {
    isOpen = true;
    socket.write(commands.map(encode).join(""));
  });
  socket.on("data", (chunk: Buffer) => {
    replies += chunk.toString("latin1");
    const isWhole = replies.split("\r\n").length > commands.length || replies.length > REPLY_CHARACTERS_MAX;
    if (isWhole || !/^[+-]/.test(replies)) resolve(explainReplies(replies));
  });
  socket.once("end", () => resolve(replies === "" ? explainHangUp(options) : explainReplies(replies)));
  socket.on("error", (error: NodeJS.ErrnoException) => resolve(explainError(error, options)));
  // A Redis without TLS treats the start of a TLS handshake as an incomplete command. It waits for the rest and sends no reply.
  const noReply = () => `no reply within ${timeoutMs} ms${usesTls(url) && !isOpen ? WITHOUT_TLS : ""}`;
  const timer = setTimeout(() => resolve(noReply()), timeoutMs);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

function openSocket(url: string, tls: RedisTls | undefined): Socket {
  const target = targetOf(url);
  if (!usesTls(url)) return connect(target);
  const { hostname } = new URL(url);
  // RFC 6066 3: the server name (SNI) must not be an IP address.
  const servername = isIP(withoutBrackets(hostname)) === 0 ? hostname : undefined;
  return connectTls({ ...target, ...tls, servername, rejectUnauthorized: true });
}

function targetOf(url: string): NetConnectOpts {
  const { protocol, hostname, port, pathname } = new URL(url);
  if (protocol.endsWith("+unix:")) return { path: decodeURIComponent(pathname) };
  return { host: withoutBrackets(hostname), port: port === "" ? DEFAULT_PORT : Number(port) };
}

/** Returns the commands that log in and select the database, followed by PING. */
function loginCommands(url: string): string[][] {
  const { protocol, username, password, pathname } = new URL(url);
  if (protocol.endsWith("+unix:")) return [["PING"]];
  const user = username === "" ? "default" : decodeURIComponent(username);
  const login = username === "" && password === "" ? [] : [["AUTH", user, decodeURIComponent(password)]];
  const select = pathname.length > 1 ? [["SELECT", pathname.slice(1)]] : [];
  return [...login, ...select, ["PING"]];
}

/** Encodes a command as an array of bulk strings (RESP, the Redis protocol). */
function encode(command: readonly string[]): string {
  const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
  return `*${command.length}\r\n${parts.join("")}`;
}

const WITHOUT_TLS = "; if the server does not use TLS, write redis:// instead of rediss://";

/** Explains the first error reply. The server's own text is never shown, because it may contain anything. */
function explainReplies(replies: string): string {
  const error = /^-([A-Z]+) ?(.*)$/m.exec(replies);
  if (error === null && ALL_OK.test(replies))
    return "it refused a connection and now accepts one; was its host name moved to another server?";
  if (error === null) return "it accepts connections but does not speak the Redis protocol; is it Redis?";
  const [, code = "", text = ""] = error;
  if (/DB index/.test(text)) return "it has no database with this number";
  return ERROR_REPLIES[code] ?? `it refuses this connection (${code})`;
}

/** Matches the replies of a Redis that accepted every command of the probe. */
const ALL_OK = /^(\+OK\r\n)*\+PONG\r\n$/;

const ERROR_REPLIES: Readonly<Record<string, string>> = {
  WRONGPASS: "the user name or password is wrong (WRONGPASS)",
  NOAUTH: "it requires a password, and the URL has none (NOAUTH)",
  NOPERM: "this user lacks the rights that the gateway needs (NOPERM)",
  DENIED: "it is in protected mode and accepts connections from its own host only (DENIED)",
};

function explainHangUp({ url, tlsFiles }: ProbeOptions): string {
  if (!usesTls(url)) return "it closes the connection; is it Redis, and does it require TLS (rediss://)?";
  return `it closes the connection; does it require a client certificate${setting(tlsFiles?.cert.name)}?`;
}

function explainError({ code = "", message }: NodeJS.ErrnoException, options: ProbeOptions): string {
  const { tlsFiles } = options;
  const reason = SYSTEM_ERRORS[code];
  if (reason !== undefined) return reason;
  if (UNTRUSTED.test(code)) return `its certificate is not trusted${setting(tlsFiles?.ca.name)}: ${code}`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `its certificate is for another host name (${code})`;
  if (code === "ECONNRESET" || /ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA)/.test(code)) return explainHangUp(options);
  if (code.startsWith("ERR_SSL") || code === "EPROTO") return `the TLS handshake failed (${code})${WITHOUT_TLS}`;
  return message;
}

function setting(name: string | undefined): string {
  return name === undefined ? "" : ` (${name})`;
}

/** OpenSSL's error codes for a certificate that is not trusted, such as a self-signed, expired or revoked certificate. */
const UNTRUSTED =
  /SELF_SIGNED|UNABLE_TO|CERT_(HAS_EXPIRED|NOT_YET_VALID|UNTRUSTED|SIGNATURE_FAILURE|REVOKED|REJECTED)|INVALID_CA/;

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "no server listens there (ECONNREFUSED)",
  ENOENT: "the socket does not exist (ENOENT)",
  ENOTFOUND: "the host name does not exist (ENOTFOUND)",
  EACCES: "the gateway has no permission to open the socket (EACCES)",
};
