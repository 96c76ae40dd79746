import type { Fetch } from "../client/rest.ts";
import { messageOf } from "../core/cause.ts";
import { type Arguments, parseArguments, UsageError } from "./arguments/parse.ts";
import type { ClientCommandSpec } from "./arguments/spec.ts";
import { type ClientEnvironment, clientEnvironment } from "./environment.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { Output, OutputClosedError } from "./output/output.ts";
import type { Profile } from "./profile/profile.ts";
import { selectProfile } from "./profile/profiles.ts";
import { failureOf } from "./session/failure-report.ts";
import { DEFAULT_URL } from "./session/gateway-url.ts";
import { Trace } from "./session/verbose-trace.ts";

const systemFetch: Fetch = (url, init) => fetch(url, init);

export interface ClientContext {
  readonly environment: ClientEnvironment;
  readonly output: Output;
  readonly profile: Profile;
  /** Sends HTTP requests. With `--verbose`, prints each request to standard error. */
  readonly fetch: Fetch;
  /** Prints what was signed and what was verified. `undefined` without `--verbose`. */
  readonly trace: Trace | undefined;
  /** Aborts at the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** The URL of the gateway. It is `DEFAULT_URL` until the command selects a gateway. */
  url: string;
  /** The message type that `sallyport call` sends, for error messages. `undefined` for other commands. */
  messageType: string | undefined;
  /** The path of the login call, for error messages. Set only by `sallyport login` with `--path` or `--guest`. */
  loginPath: string | undefined;
}

/** Runs a command of the client. Prints its failure as one line. Resolves with the exit code. */
export async function runClientCommand(
  spec: ClientCommandSpec,
  args: readonly string[],
  act: (context: ClientContext, args: Arguments) => Promise<ExitCode>,
): Promise<number> {
  const environment = clientEnvironment();
  const output = new Output(environment);
  const fail = (exitCode: ExitCode, text: string): number => {
    output.note(`${output.noteStyle.bad("sallyport:")} ${text}`);
    return exitCode;
  };
  let context: ClientContext | undefined;
  try {
    const parsed = parseArguments(spec, args);
    const trace = parsed.has("verbose") ? new Trace(output) : undefined;
    const fetch = trace?.fetching(systemFetch) ?? systemFetch;
    const profile = selectProfile(parsed.value("profile"), environment);
    const url = DEFAULT_URL;
    context = {
      environment,
      output,
      profile,
      fetch,
      trace,
      signal: stopped(),
      url,
      messageType: undefined,
      loginPath: undefined,
    };
    return await act(context, parsed);
  } catch (error) {
    if (error instanceof OutputClosedError) return EXIT.outputClosed;
    if (error instanceof UsageError) return fail(EXIT.usage, `${error.message}; see sallyport ${spec.name} --help`);
    if (context === undefined) throw error;
    if (context.signal.aborted) return fail(EXIT.interrupted, interruptedText(context));
    return report(error, context, fail);
  }
}

function report(error: unknown, context: ClientContext, fail: (exitCode: ExitCode, text: string) => number): number {
  const { url, messageType, loginPath } = context;
  try {
    const { exitCode, message } = failureOf(error, { profile: context.profile.name, url, messageType, loginPath });
    return fail(exitCode, message);
  } catch {
    if (context.trace !== undefined && error instanceof Error) context.output.note(error.stack ?? "");
    return fail(EXIT.failed, `${messageOf(error)}; --verbose shows more`);
  }
}

function interruptedText({ messageType }: ClientContext): string {
  return messageType === undefined ? "interrupted" : "interrupted; the command may have been executed";
}

/** Returns an AbortSignal that aborts at the first SIGINT, SIGTERM or SIGHUP. The second signal ends the process. */
function stopped(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(EXIT.interrupted);
      controller.abort();
    });
  }
  return controller.signal;
}
