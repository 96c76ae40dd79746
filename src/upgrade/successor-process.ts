import { realpathSync } from "node:fs";
import { copyStderr } from "../workers/child-stderr.ts";
import { decodeMessage, encodeMessage, type FromSuccessor, type ToSuccessor } from "./messages.ts";
import type { Program } from "./program.ts";

/** The descriptors that a successor inherits. */
export const SUCCESSOR_FDS = { sharedMemory: 3, stderr: 4 } as const;

export interface SuccessorEnd {
  readonly exitCode: number | null;
  readonly signal: string | undefined;
  /** The first and last characters that the successor wrote to standard error before it took over. */
  readonly stderr: string;
}

export interface SuccessorProcess {
  readonly pid: number;
  /** The path of the executable, without symbolic links. */
  readonly executable: string;
  readonly ended: Promise<SuccessorEnd>;
  send(message: ToSuccessor): void;
  kill(): void;
}

export interface SuccessorOptions {
  readonly program: Program;
  /** The environment variable that marks a process as a successor. */
  readonly variable: string;
  readonly sharedMemory: number | undefined;
  readonly onMessage: (message: FromSuccessor) => void;
  /** Called if a message cannot be decoded. */
  readonly onBadMessage: (cause: unknown) => void;
}

/** Environment variables that a successor must not inherit (sd_watchdog_enabled(3), Node's IPC channel). */
const OWN_VARIABLES = ["WATCHDOG_PID", "NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE"];

/**
 * Starts the executable as it is on disk now. Throws if the executable cannot be started. Until the successor takes over, its
 * standard error goes through a pipe. If the successor fails, the text from the pipe is logged.
 */
export function startSuccessor({ program, variable, ...options }: SuccessorOptions): SuccessorProcess {
  const { onMessage, onBadMessage } = options;
  const [path = "", ...args] = program.command;
  const executable = realpathSync(path);
  const env = { ...program.env, [variable]: "1" };
  for (const name of OWN_VARIABLES) delete env[name];
  const child = Bun.spawn([path, ...args], {
    cwd: program.cwd,
    env,
    stdio: ["inherit", "inherit", "pipe", options.sharedMemory ?? "ignore", 2],
    serialization: "json",
    ipc(text: unknown) {
      try {
        onMessage(decodeMessage<FromSuccessor>(text));
      } catch (cause) {
        onBadMessage(cause);
      }
    },
  });
  const stderr = copyStderr(child.stderr);
  const ended = child.exited.then(async () => ({
    exitCode: child.exitCode,
    signal: child.signalCode === null ? undefined : String(child.signalCode),
    stderr: await stderr,
  }));
  return {
    pid: child.pid,
    executable,
    ended,
    send(message) {
      if (child.exitCode !== null || child.killed) return;
      try {
        child.send(encodeMessage(message));
      } catch {
        // The send fails if the successor has closed its channel. `ended` reports the end of the successor.
      }
    },
    kill: () => child.kill("SIGKILL"),
  };
}
