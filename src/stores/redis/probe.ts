import { connect, isIP, type NetConnectOpts, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type RedisTls, wantsTls } from "./tls.ts";

const DEFAULT_PORT = 6379;
/** An error of Redis is one short line; whatever says more is something else. */
const ANSWER_CHARACTERS_MAX = 4096;

export interface ProbeOptions {
  readonly url: string;
  readonly tls: RedisTls | undefined;
  readonly timeoutMs: number;
}

/**
 * Says why a server cannot be had that a client has failed to connect to, which tells a closed port, a wrong password and a missing TLS
 * all alike: connects once more, logs in, and reads what comes.
 */
export function whyNoConnection({ url, tls, timeoutMs }: ProbeOptions): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const commands = openingCommands(url);
  const socket = openSocket(url, tls);
  let answer = "";
  let isOpen = false;
  socket.once(wantsTls(url) ? "secureConnect" : "connect", () => {
    isOpen = true;
    socket.write(commands.map(encode).join(""));
  });
  socket.on("data", (chunk: Buffer) => {
    answer += chunk.toString("latin1");
    const isWhole = answer.split("\r\n").length > commands.length || answer.length > ANSWER_CHARACTERS_MAX;
    if (isWhole || !/^[+-]/.test(answer)) resolve(whatItSays(answer));
  });
  socket.once("end", () => resolve(answer === "" ? hangsUp(url) : whatItSays(answer)));
  socket.on("error", (error: NodeJS.ErrnoException) => resolve(whatFailed(error, url)));
  // A Redis without TLS waits for the rest of what it takes for a command.
  const noAnswer = () => `no answer within ${timeoutMs} ms${wantsTls(url) && !isOpen ? WITHOUT_TLS : ""}`;
  const timer = setTimeout(() => resolve(noAnswer()), timeoutMs);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

function openSocket(url: string, tls: RedisTls | undefined): Socket {
  const target = targetOf(url);
  if (!wantsTls(url)) return connect(target);
  const { hostname } = new URL(url);
  // RFC 6066 3: an address is no server name.
  const servername = isIP(hostname.replace(/^\[|\]$/g, "")) === 0 ? hostname : undefined;
  return connectTls({ ...target, ...tls, servername, rejectUnauthorized: true });
}

function targetOf(url: string): NetConnectOpts {
  const { protocol, hostname, port, pathname } = new URL(url);
  if (protocol.endsWith("+unix:")) return { path: decodeURIComponent(pathname) };
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? DEFAULT_PORT : Number(port) };
}

/** What a client says first, and one command more. */
function openingCommands(url: string): string[][] {
  const { protocol, username, password, pathname } = new URL(url);
  if (protocol.endsWith("+unix:")) return [["PING"]];
  const user = username === "" ? "default" : decodeURIComponent(username);
  const login = username === "" && password === "" ? [] : [["AUTH", user, decodeURIComponent(password)]];
  const select = pathname.length > 1 ? [["SELECT", pathname.slice(1)]] : [];
  return [...login, ...select, ["PING"]];
}

/** RESP: an array of strings. */
function encode(command: readonly string[]): string {
  const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
  return `*${command.length}\r\n${parts.join("")}`;
}

const WITHOUT_TLS = ": is it redis://, not rediss://?";

/** By the error that came first. What a server says in its own words may hold anything, so that none of it is passed on. */
function whatItSays(answer: string): string {
  const error = /^-([A-Z]+) ?(.*)$/m.exec(answer);
  if (error === null && ALL_GRANTED.test(answer)) return "it refused a connection, and takes one now: has its name moved?";
  if (error === null) return "it takes connections, but not this one: is it Redis?";
  const [, code = "", text = ""] = error;
  if (/DB index/.test(text)) return "it has no database of this number";
  return SAYINGS[code] ?? `it refuses this connection (${code})`;
}

/** Every command was answered as Redis does. */
const ALL_GRANTED = /^(\+OK\r\n)*\+PONG\r\n$/;

const SAYINGS: Readonly<Record<string, string>> = {
  WRONGPASS: "it does not know this user with this password (WRONGPASS)",
  NOAUTH: "it wants a password, and is given none (NOAUTH)",
  NOPERM: "this user may not do what the gateway has to (NOPERM)",
  DENIED: "it is in protected mode, and takes connections of its own host alone (DENIED)",
};

function hangsUp(url: string): string {
  if (wantsTls(url)) return "it hangs up: does it want a client certificate (stores.redis.certificate_file)?";
  return "it hangs up: is it Redis, and does it want TLS (rediss://)?";
}

function whatFailed({ code = "", message }: NodeJS.ErrnoException, url: string): string {
  const reason = REASONS[code];
  if (reason !== undefined) return reason;
  if (UNTRUSTED.test(code)) {
    return `its certificate is not to be trusted (${code}): stores.redis.ca_file names the authorities that may sign it`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `its certificate is another host's (${code})`;
  if (code === "ECONNRESET" || /ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA)/.test(code)) return hangsUp(url);
  if (code.startsWith("ERR_SSL") || code === "EPROTO") return `no TLS with it (${code})${WITHOUT_TLS}`;
  return message;
}

/** Names of OpenSSL's verification results: of a chain that ends nowhere, or whose time is over. */
const UNTRUSTED =
  /SELF_SIGNED|UNABLE_TO|CERT_(HAS_EXPIRED|NOT_YET_VALID|UNTRUSTED|SIGNATURE_FAILURE|REVOKED|REJECTED)|INVALID_CA/;

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there (ECONNREFUSED)",
  ENOENT: "there is no such socket (ENOENT)",
  ENOTFOUND: "there is no host of this name (ENOTFOUND)",
  EACCES: "the socket may not be opened (EACCES)",
};
