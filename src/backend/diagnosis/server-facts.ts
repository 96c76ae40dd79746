import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { withoutBrackets } from "../../core/listen.ts";

/** The protocols that a server supports. The gateway detects them with three short connections. */
export interface ServerFacts {
  /** If no connection was possible: `TIMEOUT`, or the system's error code such as `ECONNREFUSED`. Otherwise `undefined`. */
  readonly unreachable: string | undefined;
  /** `undefined` if the server does not use TLS. */
  readonly tls: TlsFacts | undefined;
  /** True if the server answers an HTTP/1.1 request without TLS. */
  readonly speaksHttp1: boolean;
  /** True if the server answers the HTTP/2 preface without TLS (RFC 9113 3.3, "h2c"). */
  readonly speaksH2c: boolean;
}

export interface TlsFacts {
  /** The error code of the handshake, if the certificate is not accepted. */
  readonly problem: string | undefined;
  /** The protocol that the server selects by ALPN (RFC 7301): `h2` or `http/1.1`. Empty if it selects none. */
  readonly alpn: string;
}

/** The certificate authorities to trust, and the client certificate, as PEM texts. */
export interface ProbeTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface FactOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly tls?: ProbeTls | undefined;
}

/** `OPTIONS *` (RFC 9110 9.3.7) names no resource, so it changes nothing at the server. */
const HTTP1_REQUEST = (host: string) => `OPTIONS * HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
/** The connection preface of HTTP/2 with an empty SETTINGS frame (RFC 9113 3.4). */
const H2_PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
const SETTINGS_FRAME = 4;
const FRAME_TYPE_AT = 3;
/** The first byte of a TLS alert record (RFC 8446 5.1). A TLS server sends an alert if it gets bytes that are not TLS. */
const TLS_ALERT = 0x15;
/** Words in the error page of a TLS server that receives an HTTP request without TLS. */
const WANTS_TLS = /HTTPS|SSL|TLS/i;

/** Finds out which protocols the server of a URL supports. Never rejects. */
export async function serverFacts(url: string, options: FactOptions): Promise<ServerFacts> {
  const target = targetOf(url);
  const [http1, h2c, tls] = await Promise.all([
    firstBytes(target, HTTP1_REQUEST(new URL(url).host), options),
    firstBytes(target, H2_PREFACE, options),
    handshake(target, options),
  ]);
  const text = http1.bytes.toString("latin1");
  const refusesPlain = http1.bytes[0] === TLS_ALERT || (text.startsWith("HTTP/1.") && WANTS_TLS.test(text));
  return {
    unreachable: http1.isOpen || h2c.isOpen ? undefined : (http1.error ?? "TIMEOUT"),
    tls: tls ?? (refusesPlain ? { problem: undefined, alpn: "" } : undefined),
    speaksHttp1: text.startsWith("HTTP/1.") && !refusesPlain && tls === undefined,
    speaksH2c: h2c.bytes.length > FRAME_TYPE_AT && h2c.bytes[FRAME_TYPE_AT] === SETTINGS_FRAME,
  };
}

interface Target {
  readonly host: string;
  readonly port: number;
}

function targetOf(url: string): Target {
  const { protocol, hostname, port } = new URL(url);
  return { host: withoutBrackets(hostname), port: Number(port || (protocol === "https:" ? 443 : 80)) };
}

interface Answer {
  readonly isOpen: boolean;
  readonly error: string | undefined;
  readonly bytes: Buffer;
}

/** Maximum number of bytes that are read: enough for the status line, the headers and the text of an error page. */
const ANSWER_BYTES_MAX = 2048;
/** After a pause of this length, in ms, the answer of a server counts as complete. */
const PAUSE_MS = 200;

/** Sends a text over TCP, and resolves to the first bytes of the answer. */
function firstBytes(target: Target, text: string, { timeoutMs, signal }: FactOptions): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const socket = connectTcp(target);
  const chunks: Buffer[] = [];
  let isOpen = false;
  const done = (error?: string) => resolve({ isOpen, error, bytes: Buffer.concat(chunks) });
  let pause: Timer | undefined;
  socket.once("connect", () => {
    isOpen = true;
    socket.write(text, "latin1");
  });
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    clearTimeout(pause);
    if (Buffer.concat(chunks).length >= ANSWER_BYTES_MAX) done();
    else pause = setTimeout(done, PAUSE_MS);
  });
  socket.once("close", () => done());
  socket.on("error", (error: NodeJS.ErrnoException) => done(error.code ?? "ERROR"));
  const timer = setTimeout(done, timeoutMs);
  const onAbort = () => done("ABORTED");
  signal?.addEventListener("abort", onAbort, { once: true });
  return promise.finally(() => {
    clearTimeout(timer);
    clearTimeout(pause);
    signal?.removeEventListener("abort", onAbort);
    socket.destroy();
  });
}

/** The error codes of a handshake with a server that does not use TLS, or that does not answer. */
const NO_TLS =
  /WRONG_VERSION_NUMBER|ERR_SSL_(PACKET|HTTP|UNEXPECTED|BAD_PACKET)|HTTP_REQUEST|EPROTO|RECORD_OVERFLOW|ECONN|EPIPE|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT|SOCKET_CLOSED/;

function handshake(target: Target, { timeoutMs, signal, tls = {} }: FactOptions): Promise<TlsFacts | undefined> {
  const { promise, resolve } = Promise.withResolvers<TlsFacts | undefined>();
  // TLS does not allow an IP address as server name (SNI, RFC 6066 3).
  const name = isIP(target.host) === 0 ? { servername: target.host } : {};
  const trust = Object.fromEntries(Object.entries(tls).filter(([, pem]) => pem !== undefined));
  const options = { ...target, ...name, ...trust, ALPNProtocols: ["h2", "http/1.1"], rejectUnauthorized: true };
  const socket = connectTls(options, () => resolve({ problem: undefined, alpn: socket.alpnProtocol || "" }));
  socket.on("error", (error: NodeJS.ErrnoException) => {
    const code = error.code ?? "ERROR";
    resolve(NO_TLS.test(code) ? undefined : { problem: code, alpn: "" });
  });
  socket.once("close", () => resolve(undefined));
  const timer = setTimeout(() => resolve(undefined), timeoutMs);
  const onAbort = () => resolve(undefined);
  signal?.addEventListener("abort", onAbort, { once: true });
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    socket.destroy();
  });
}
