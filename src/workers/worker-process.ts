import { messageOf } from "../core/cause.ts";
import { copyStderr } from "./child-stderr.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

export interface WorkerEnd {
  readonly exitCode: number | null;
  readonly signal: string | undefined;
  /** The first and last characters that the process wrote to standard error. If there was no process, the reason. */
  readonly stderr: string;
}

/** A worker process and the channel to it. */
export interface WorkerProcess {
  /** `undefined` if the process could not be created. */
  readonly pid: number | undefined;
  readonly ended: Promise<WorkerEnd>;
  /** Sends a message. Does nothing after the process has ended. */
  send(message: ToWorker): void;
  kill(): void;
}

/** Matches the virtual folder of the source files in a compiled executable. */
const COMPILED = /^(\/\$bunfs|B:[\\/]~BUN)/;

/**
 * Returns the command line of a worker of this program: the executable, or Bun with the source file of the program.
 *
 * On Linux, the executable is /proc/<pid>/exe. This is the running executable, even if its file was replaced. So the worker has the
 * version of its supervisor, and understands its messages.
 */
export function workerCommand(): string[] {
  const executable = process.platform === "linux" ? `/proc/${process.pid}/exe` : process.execPath;
  return [executable, ...(COMPILED.test(Bun.main) ? [] : [Bun.main]), "worker"];
}

/** The descriptor of the shared memory in a worker process. */
export const WORKER_MEMORY_FD = 3;

/**
 * Starts a worker process. `command` is its command line. `sharedMemory`: the descriptor of the shared memory. The worker
 * inherits it as `WORKER_MEMORY_FD`.
 *
 * If the system cannot create the process (such as EAGAIN or EMFILE), `ended` resolves immediately.
 */
export function startWorkerProcess(
  command: readonly string[],
  sharedMemory: number,
  onMessage: (message: FromWorker) => void,
): WorkerProcess {
  let child: ReturnType<typeof spawn>;
  try {
    child = spawn(command, sharedMemory, onMessage);
  } catch (cause) {
    return notCreated(cause);
  }
  const stderr = copyStderr(child.stderr);
  const ended = child.exited.then(async () => ({
    exitCode: child.exitCode,
    signal: child.signalCode === null ? undefined : String(child.signalCode),
    stderr: await stderr,
  }));
  let isRunning = true;
  void ended.then(() => {
    isRunning = false;
  });
  return {
    pid: child.pid,
    ended,
    send(message) {
      if (isRunning && !child.killed && child.exitCode === null) trySend(() => child.send(message));
    },
    kill: () => child.kill("SIGKILL"),
  };
}

function spawn(command: readonly string[], sharedMemory: number, onMessage: (message: FromWorker) => void) {
  return Bun.spawn([...command], {
    stdio: ["ignore", "inherit", "pipe", sharedMemory],
    serialization: "advanced",
    ipc: (message: FromWorker) => onMessage(message),
  });
}

function notCreated(cause: unknown): WorkerProcess {
  const stderr = `its process could not be created: ${messageOf(cause)}`;
  return {
    pid: undefined,
    ended: Promise.resolve({ exitCode: null, signal: undefined, stderr }),
    send() {},
    kill() {},
  };
}

/** Calls `send`, and ignores errors, because a process that is about to end may have closed its channel. */
function trySend(send: () => void): void {
  try {
    send();
  } catch {
    // The process has closed its channel.
  }
}
