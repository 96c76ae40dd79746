import { Code, type ConnectError } from "@connectrpc/connect";
import { certificateProblem } from "./certificate-problem.ts";
import { type FactOptions, type ServerFacts, serverFacts } from "./server-facts.ts";

export interface FeedHintOptions extends FactOptions {
  /** The URL of the push service, `push.url`. */
  readonly url: string;
  /** Whether the gateway sends a token. */
  readonly hasToken: boolean;
}

/** Matches the error message of connect-es for an HTTP response whose content type is not that of the RPC protocol. */
const CONTENT_TYPE = /^unsupported content type (\S+)/;
const HTTP_STATUS = /^HTTP (\d{3})$/;
/** Whether the URL has a path. The URL of the push service needs none, unless a proxy requires it. */
const hasPath = (url: string) => new URL(url).pathname !== "/";

/**
 * Explains why the push feed could not be opened, and what to change. Returns `undefined` if the error names the cause itself, such
 * as a refused connection.
 *
 * Two causes lead to the same error: plain HTTP to a TLS port, and HTTP/2 to an HTTP/1.1 server. So this function also finds out
 * which protocols the server supports.
 */
export async function feedHint(error: ConnectError, options: FeedHintOptions): Promise<string | undefined> {
  const answered = hintOfAnswer(error, options);
  if (answered !== undefined || isOutage(error)) return answered;
  return hintOfFacts(await serverFacts(options.url, options), options.url);
}

/** Explains an error of the RPC, or an HTTP response that is not a response of the RPC. */
function hintOfAnswer({ code, rawMessage }: ConnectError, { url, hasToken }: FeedHintOptions): string | undefined {
  const [, status] = HTTP_STATUS.exec(rawMessage) ?? [];
  const [, type] = CONTENT_TYPE.exec(rawMessage) ?? [];
  if (code === Code.Unauthenticated || code === Code.PermissionDenied) return tokenHint(hasToken);
  if (status?.startsWith("3") === true) return "the server redirects; write the address to which it redirects in push.url";
  if (code === Code.Unimplemented || status === "404") {
    return hasPath(url)
      ? "the server has no such path; remove the path from push.url: the gateway appends /sallyport.v1.Push/SubscribePush itself"
      : "the server has no service sallyport.v1.Push; push.url must name the backend's push service, not its REST interface (backend.url)";
  }
  if (type?.startsWith("text/html") === true) {
    return "the server answers with an HTML page; push.url must name the backend's push service, not a web site or a proxy's login page";
  }
  if (type !== undefined)
    return "the answer is not of the protocol push.protocol; is push.url the REST interface, or another push.protocol?";
  return undefined;
}

function tokenHint(hasToken: boolean): string {
  return hasToken
    ? "the backend refuses the gateway's token; compare backend.token or backend.token_file with what the backend expects"
    : "the backend asks for a token; set backend.token or backend.token_file";
}

/** Errors that name their cause, so they need no hint. For example, ECONNREFUSED means that no server listens on the port. */
const OUTAGE = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH/;

/** Error codes of servers that use the right protocol. After such an error, `feedHint` looks for no protocol problem. */
const ANSWERED: ReadonlySet<Code> = new Set([Code.OutOfRange, Code.ResourceExhausted, Code.FailedPrecondition, Code.NotFound]);

function isOutage({ code, rawMessage }: ConnectError): boolean {
  return OUTAGE.test(rawMessage) || HTTP_STATUS.test(rawMessage) || ANSWERED.has(code);
}

/** Explains how the protocols of the server differ from those that the gateway uses for this URL. */
export function hintOfFacts(facts: ServerFacts, url: string): string | undefined {
  if (facts.unreachable !== undefined) return undefined;
  return new URL(url).protocol === "https:" ? hintForTls(facts) : hintForPlain(facts);
}

function hintForTls({ tls, speaksHttp1, speaksH2c }: ServerFacts): string | undefined {
  if (tls === undefined) {
    if (speaksH2c) return "the server does not use TLS; write http:// instead of https:// in push.url";
    if (speaksHttp1) return `the server does not use TLS, and ${ONLY_HTTP1}`;
    return "the server does not answer the TLS handshake; is the port of push.url right?";
  }
  if (tls.problem !== undefined) return certificateProblem(tls.problem, "the variable NODE_EXTRA_CA_CERTS");
  return tls.alpn === "h2" ? undefined : `the server offers no HTTP/2 over TLS (ALPN h2); ${PUSH_NEEDS_HTTP2}`;
}

function hintForPlain({ tls, speaksHttp1, speaksH2c }: ServerFacts): string | undefined {
  if (tls !== undefined) return "the server uses TLS; write https:// instead of http:// in push.url";
  if (speaksH2c) return undefined;
  return speaksHttp1 ? `the server ${ONLY_HTTP1}` : "the server speaks neither HTTP/2 nor TLS; is the port of push.url right?";
}

const PUSH_NEEDS_HTTP2 = "push.url must name the backend's push service, which speaks HTTP/2, and not its REST interface";
const ONLY_HTTP1 = `speaks HTTP/1.1 but not HTTP/2 without TLS (h2c); ${PUSH_NEEDS_HTTP2}`;
