/** The exit codes of the client's commands, by kind of failure. The gateway's commands use 0, 1 and 2. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  network: 3,
  refused: 4,
  rateLimited: 5,
  backend: 6,
  business: 7,
  untrusted: 8,
  timeout: 9,
  /** 128 + SIGINT, as shells report it. */
  interrupted: 130,
  /** 128 + SIGPIPE, as shells report it. */
  outputClosed: 141,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What each exit code means, in one line, for the help and the documentation. */
export const EXIT_TEXTS: readonly (readonly [ExitCode, string])[] = [
  [EXIT.done, "done; call: the backend answered ok"],
  [EXIT.failed, "any other failure, such as a key file that other users can read"],
  [EXIT.usage, "the command line is wrong, or the payload is not JSON"],
  [EXIT.network, "the gateway cannot be reached, or the server at this URL is no gateway"],
  [EXIT.refused, "refused: not logged in, session revoked, wrong code, unknown message type, …"],
  [EXIT.rateLimited, "rate limited; the message says how long to wait"],
  [EXIT.backend, "the backend, or a part of the gateway, is unavailable"],
  [EXIT.business, "call: the backend answered with a business error; the answer is on standard output"],
  [EXIT.untrusted, "an answer failed verification and was discarded"],
  [EXIT.timeout, "no answer in time"],
  [EXIT.interrupted, "call, login, whoami: interrupted by Ctrl-C"],
];

/** A failure whose cause is known. The message is one line, and says what to do next. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.name = "CommandFailure";
    this.exitCode = exitCode;
  }
}
