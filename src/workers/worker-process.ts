import type { FromWorker, ToWorker } from "./messages.ts";

/** How a worker process ended. */
export interface WorkerEnd {
  readonly exitCode: number | null;
  readonly signal: string | undefined;
  /** The last lines that the process wrote to standard error. */
  readonly stderr: string;
}

/** A worker process and the channel to it. */
export interface WorkerProcess {
  readonly pid: number;
  readonly ended: Promise<WorkerEnd>;
  /** Sends a message. Does nothing after the process has ended. */
  send(message: ToWorker): void;
  kill(): void;
}

/** Number of characters of standard error that are kept for the log. */
const STDERR_CHARS_MAX = 2000;
/** Matches the virtual folder of the source files in a compiled executable. */
const COMPILED = /^(\/\$bunfs|B:[\\/]~BUN)/;

/** Returns the command line of a worker of this program: the executable, or Bun with the source file of the program. */
export function workerCommand(): string[] {
  return [process.execPath, ...(COMPILED.test(Bun.main) ? [] : [Bun.main]), "worker"];
}

/** Starts a worker process. `command` is its command line. */
export function startWorkerProcess(command: readonly string[], onMessage: (message: FromWorker) => void): WorkerProcess {
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "pipe",
    serialization: "advanced",
    ipc: (message: FromWorker) => onMessage(message),
  });
  const stderr = lastLines(child.stderr);
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

/** Calls `send`, and ignores errors. A process that is about to end may have closed its channel. `ended` reports the end. */
function trySend(send: () => void): void {
  try {
    send();
  } catch {
    // The process has closed its channel.
  }
}

/** Copies the worker's standard error to that of this process. At the end of `stream`, resolves to the last lines. */
async function lastLines(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let kept = "";
  for await (const chunk of stream) {
    process.stderr.write(chunk);
    kept = (kept + decoder.decode(chunk, { stream: true })).slice(-STDERR_CHARS_MAX);
  }
  return kept.trim();
}
