import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const MAIN = join(ROOT, "src/main.ts");

/** A command of the executable in its own process. */
export interface Command {
  readonly pid: number;
  readonly exited: Promise<number>;
  /** The standard output so far. */
  stdout(): string;
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
}

/** Runs `sallyport <args>` with only the given SALLYPORT_ variables, and with an immediate stop unless they say otherwise. `openFilesMax` sets RLIMIT_NOFILE. */
export function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  openFilesMax?: number,
): Command {
  const limit = openFilesMax === undefined ? [] : ["sh", "-c", `ulimit -n ${openFilesMax}; exec "$0" "$@"`];
  return started([...limit, process.execPath, MAIN, ...args], env);
}

/** Runs a compiled executable, with only the given SALLYPORT_ variables. */
export function runExecutable(path: string, args: readonly string[]): Command {
  return started([path, ...args], {});
}

/** A package.json script under `bun run`, in its own process group, as a terminal starts it. */
export interface Script extends Command {
  /** Sends a signal to every process of the group, as Ctrl-C in a terminal does. */
  killGroup(signal: NodeJS.Signals): void;
}

export function runScript(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Script {
  const command = started([process.execPath, "run", name, ...args], env, true);
  return { ...command, killGroup: (signal) => process.kill(-command.pid, signal) };
}

const QUICK_STOP = { SALLYPORT_SHUTDOWN_DRAIN_MS: "0", SALLYPORT_SHUTDOWN_SPREAD_MS: "0" };

function started(command: readonly string[], env: Readonly<Record<string, string>>, detached = false): Command {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("SALLYPORT_"));
  const child = Bun.spawn([...command], {
    ...(detached && { cwd: ROOT }),
    env: { ...Object.fromEntries(inherited), ...QUICK_STOP, ...env },
    stdout: "pipe",
    stderr: "pipe",
    detached,
  });
  const out = collect(child.stdout);
  const err = collect(child.stderr);
  return {
    pid: child.pid,
    exited: Promise.all([child.exited, out.done, err.done]).then(([code]) => code),
    stdout: () => out.text,
    stderr: () => err.text,
    kill: (signal) => child.kill(signal),
  };
}

function collect(stream: ReadableStream<Uint8Array>): { text: string; readonly done: Promise<void> } {
  const decoder = new TextDecoder();
  const collected = { text: "", done: Promise.resolve() };
  collected.done = (async () => {
    for await (const chunk of stream) collected.text += decoder.decode(chunk, { stream: true });
  })();
  return collected;
}
