import { GatewayError, SallyportError, UntrustedResponseError } from "../../client/errors.ts";
import { RestError } from "../../client/rest.ts";
import { messageOf } from "../../core/cause.ts";
import { CommandFailure, EXIT, type ExitCode } from "../exit-code.ts";
import { printableLine } from "../output/printable.ts";
import { PrivateFileError } from "../profile/private-file.ts";

/** The facts, besides the error, that determine the message of a failure. */
export interface FailureContext {
  readonly profile: string;
  readonly url: string;
  /** Set only by `sallyport call`: its error messages warn if the command may have been executed. */
  readonly messageType?: string | undefined;
  /** The path of the login call. Set only by `sallyport login` with `--path` or `--guest`. */
  readonly loginPath?: string | undefined;
}

/**
 * Converts an error to a `CommandFailure`. Its message is one line that says what to do next. Throws `error` again if its type is
 * unknown.
 */
export function failureOf(error: unknown, context: FailureContext): CommandFailure {
  if (error instanceof CommandFailure) return error;
  if (error instanceof PrivateFileError) return new CommandFailure(EXIT.failed, error.message);
  if (error instanceof GatewayError) return gatewayFailure(error, context);
  if (error instanceof UntrustedResponseError) return untrustedFailure(error, context);
  if (error instanceof RestError) return restFailure(error, context);
  if (error instanceof SallyportError) return new CommandFailure(EXIT.failed, printableLine(error.message));
  throw error;
}

export function notLoggedIn(profile: string): CommandFailure {
  return new CommandFailure(EXIT.refused, `profile ${profile} is not logged in; run: ${loginCommand(profile)}`);
}

/** Returns the command with which a user logs in to the profile. */
export function loginCommand(profile: string): string {
  return profile === "default" ? "sallyport login" : `sallyport login --profile ${profile}`;
}

function gatewayFailure(error: GatewayError, context: FailureContext): CommandFailure {
  const { reason, code, metadata } = error;
  if (reason === undefined) return transportFailure(error, context);
  const say = (exitCode: ExitCode, next: string) =>
    new CommandFailure(exitCode, `${reason}: ${printableLine(error.rawMessage)}; ${next}`);
  const wait = waitText(error.retryAfterMs);
  switch (reason) {
    case "SESSION_NOT_FOUND":
    case "SESSION_REVOKED":
    case "SIGNATURE_INVALID":
      return say(EXIT.refused, `run: ${loginCommand(context.profile)}`);
    case "RATE_LIMITED":
    case "TOO_MANY_STREAMS":
      return say(EXIT.rateLimited, `scope ${printableLine(metadata["scope"] ?? "unknown")}; ${wait}`);
    case "MESSAGE_TYPE_UNKNOWN":
      return say(EXIT.refused, "check the spelling of TYPE; the gateway's setting routes lists the types");
    case "TIMESTAMP_OUT_OF_WINDOW":
      return say(EXIT.refused, "set the clock of this computer; sallyport whoami shows by how much it is off");
    case "REQUEST_TOO_LARGE":
      return say(EXIT.refused, `the limit is ${printableLine(metadata["limit_bytes"] ?? "unknown")} bytes; send less`);
    case "PAYLOAD_INVALID":
    case "MALFORMED_ENVELOPE":
      return say(EXIT.refused, `${faultText(metadata)}; correct it`);
    case "IDEMPOTENCY_KEY_REUSED":
      return say(EXIT.refused, "use a new key for a new command");
    case "BACKEND_TIMEOUT":
      return say(EXIT.timeout, unknownOutcome(context) ?? "try again");
    // The backend may have executed the command before the connection was cut, or before its answer was discarded.
    case "BACKEND_UNAVAILABLE":
    case "BACKEND_BAD_RESPONSE":
    case "INTERNAL":
      return say(EXIT.backend, unknownOutcome(context) ?? wait);
    default:
      return say(
        isUnavailable(code) ? EXIT.backend : EXIT.refused,
        isUnavailable(code) ? wait : "see proto/README.md, Refusals",
      );
  }
}

/** Names the wrong field. If the payload violates its schema, names the JSON pointer and the violated keyword instead. */
function faultText({ field = "unknown", pointer, keyword }: Readonly<Record<string, string>>): string {
  if (pointer === undefined || keyword === undefined) return `field ${printableLine(field)}`;
  return printableLine(`${pointer === "" ? "the payload" : pointer} violates ${keyword} of the route's schema`);
}

function isUnavailable(code: string): boolean {
  return code === "unavailable" || code === "internal" || code === "resource_exhausted";
}

/** Error codes of a server that failed while it handled the call. The server may already have forwarded the command. */
const FAILED_LATER: ReadonlySet<string> = new Set(["unknown", "internal", "data_loss", "aborted"]);

/** Converts the error of a call that got no refusal. The cause is the network, or a server that is no gateway. */
function transportFailure(error: GatewayError, context: FailureContext): CommandFailure {
  const { url } = context;
  if (error.code === "deadline_exceeded")
    return new CommandFailure(EXIT.timeout, `no answer from ${url} in time; ${unknownOutcome(context) ?? "try again"}`);
  if (error.code === "unavailable") return unreachable(error, context);
  const failure = noGateway(printableLine(error.message), url);
  if (context.messageType === undefined || !FAILED_LATER.has(error.code)) return failure;
  return new CommandFailure(failure.exitCode, `${failure.message}; the command may have been executed`);
}

function restFailure(error: RestError, context: FailureContext): CommandFailure {
  const { url } = context;
  const { code, status } = error;
  const message = printableLine(error.message);
  if (code === "unreachable") {
    if (isTimeout(error)) return new CommandFailure(EXIT.timeout, `no answer from ${url} in time; try again`);
    return unreachable(error, context);
  }
  if (code === "bad_answer" || code === `http_${status}`) return noGateway(message, url);
  const text = `${printableLine(code)}: ${message}`;
  if (status === 429) return new CommandFailure(EXIT.rateLimited, `${text}; ${waitText(error.retryAfterMs)}`);
  if (code === "backend_timeout") return new CommandFailure(EXIT.timeout, `${text}; try again`);
  if (status >= 500) return new CommandFailure(EXIT.backend, `${text}; ${waitText(error.retryAfterMs)}`);
  return new CommandFailure(EXIT.refused, `${text}; ${loginAdvice(error, context)}`);
}

/**
 * Returns the key algorithm that the gateway requires, if it refused a login because of the algorithm of the key. Only the
 * message of the refusal names the algorithm.
 */
export function requiredAlgorithm({ code, message }: RestError): string | undefined {
  if (code !== "invalid_request") return undefined;
  return /\bclient_key_algorithm must be (EdDSA|ES256)\b/.exec(message)?.[1];
}

function loginAdvice(error: RestError, { profile, loginPath }: FailureContext): string {
  const { status } = error;
  const algorithm = requiredAlgorithm(error);
  if (algorithm !== undefined) return `log in with --key-algorithm ${algorithm}`;
  if (loginPath === undefined) return `correct it, or start again with ${loginCommand(profile)} --email ADDRESS`;
  if (status === 404 || status === 405)
    return `the gateway has no login at ${loginPath}: check --path against its public_routes`;
  return `check --fields against the row of ${loginPath} in the gateway's public_routes`;
}

function untrustedFailure(error: UntrustedResponseError, context: FailureContext): CommandFailure {
  const doubt = context.messageType === undefined ? "" : ", and the command may have been executed";
  const text = `${error.message}; somebody may be changing the traffic to ${context.url}${doubt}`;
  return new CommandFailure(EXIT.untrusted, printableLine(text));
}

function unreachable(error: Error, { url, messageType }: FailureContext): CommandFailure {
  const cause = systemCode(error);
  const why = cause === undefined ? "" : ` (${systemText(cause, url)})`;
  const isDoubtful = messageType !== undefined && !NEVER_CONNECTED.has(cause?.code ?? "");
  const next = isDoubtful
    ? `the command may have been executed; check ${url}`
    : "check that the gateway runs there, or set --url";
  return new CommandFailure(EXIT.network, `${url} cannot be reached${why}; ${next}`);
}

/** Returns the failure for a server whose answer shows that it is no gateway. `what` describes the answer. */
export function noGateway(what: string, url: string): CommandFailure {
  return new CommandFailure(EXIT.network, `${url} does not answer as a Sallyport gateway (${what}); check --url`);
}

/** The advice after a `sallyport call` whose command may have been executed. `undefined` for all other subcommands. */
function unknownOutcome({ messageType }: FailureContext): string | undefined {
  if (messageType === undefined) return undefined;
  return `the command may have been executed; --idempotency-key makes a retry safe ${SAFE_RETRY_CONDITION}`;
}

/** The condition under which an idempotency key makes a retry safe (proto/client.md, "Keep an answer"). */
const SAFE_RETRY_CONDITION = "on routes with keep_answer_ms, or if the backend honours Idempotency-Key";

function waitText(retryAfterMs: number | undefined): string {
  return retryAfterMs === undefined ? "try again later" : `try again in ${Math.max(1, Math.ceil(retryAfterMs / 1000))} s`;
}

const CAUSES_MAX = 8;

function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let each = error; each instanceof Error && causes.length < CAUSES_MAX; each = each.cause) causes.push(each);
  return causes;
}

function isTimeout(error: Error): boolean {
  return causesOf(error).some(({ name }) => name === "TimeoutError");
}

/**
 * Returns the code and the message of the innermost cause, which is usually an error of the operating system. Returns
 * `undefined` if the error has no cause.
 */
function systemCode(error: Error): { readonly code: string; readonly message: string } | undefined {
  const root = causesOf(error).at(-1);
  if (root === undefined || root === error) return undefined;
  return { code: "code" in root ? String(root.code) : "", message: printableLine(messageOf(root)) };
}

/** Codes of errors that occur before a connection is open. The command was not sent. */
const NEVER_CONNECTED: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN"]);

/** Texts that replace Bun's error messages. The key is the error code. */
const SYSTEM_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the server closed the connection without an answer",
  ENOTFOUND: "unknown host name",
  EAI_AGAIN: "the host name cannot be looked up",
  ETIMEDOUT: "no answer to the connection attempt",
  EHOSTUNREACH: "there is no route to the host",
  ENETUNREACH: "there is no route to the network",
  Malformed_HTTP_Response: "the server does not speak HTTP/1.1 on this port",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is self-signed; set NODE_EXTRA_CA_CERTS to its file",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate's authority is unknown; set NODE_EXTRA_CA_CERTS to its file",
  SELF_SIGNED_CERT_IN_CHAIN: "the certificate's authority is unknown; set NODE_EXTRA_CA_CERTS to its file",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the certificate's authority is unknown; set NODE_EXTRA_CA_CERTS to its file",
  CERT_HAS_EXPIRED: "the certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another host name",
};

/** Bun reports every failure of a TLS handshake by the same error. So the text names each possible cause. */
function handshakeText(url: string): string {
  const http = url.replace("https:", "http:");
  return `the TLS handshake failed; if the port has no TLS, use ${http}; the port of grpc.listen, or tls.client_ca_file, cannot be used from the command line`;
}

function systemText({ code, message }: { readonly code: string; readonly message: string }, url: string): string {
  const isTls = url.startsWith("https:");
  if (code === "EPROTO" && isTls) return handshakeText(url);
  if (code === "ECONNRESET" && !isTls) return `${SYSTEM_TEXTS[code]}; if it expects TLS, use ${url.replace("http:", "https:")}`;
  return SYSTEM_TEXTS[code] ?? message;
}
