import { join } from "node:path";

/** A child process, measured without the load generator. */
export interface Child {
  /** The child's ports and URLs. */
  readonly ready: { readonly port: number; readonly grpcPort?: number; readonly pushUrl?: string; readonly adminUrl?: string };
  /** CPU time used so far, user and system, in microseconds. */
  cpuMicros(): Promise<number>;
  /** Resident memory after a garbage collection, in bytes. */
  residentBytes(): Promise<number>;
  /** Asks for another answer that the child gave to `answerParent`. */
  ask<T>(question: string): Promise<T>;
  stop(): Promise<void>;
}

type Answers = Readonly<Record<string, () => unknown>>;

/** Starts `children/<name>.ts` with its parameters. Resolves when it is ready. */
export async function startChild(name: string, parameters: object = {}): Promise<Child> {
  const ready = Promise.withResolvers<Child["ready"]>();
  const answers: ((value: unknown) => void)[] = [];
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "children", `${name}.ts`), JSON.stringify(parameters)], {
    stdout: "ignore",
    stderr: "inherit",
    ipc(message: { ready: Child["ready"] } | { answer?: unknown }) {
      if ("ready" in message) ready.resolve(message.ready);
      else answers.shift()?.(message.answer);
    },
    onExit: (_, code) => ready.reject(new Error(`the child ${name} ended with ${code}`)),
  });
  const ask = <T>(question: string): Promise<T> => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    answers.push(resolve);
    child.send(question);
    // The caller names the type of the child's answer.
    return promise as Promise<T>;
  };
  return {
    ready: await ready.promise,
    cpuMicros: () => ask("cpu"),
    residentBytes: () => ask("memory"),
    ask,
    async stop() {
      child.send("stop");
      await child.exited;
    },
  };
}

/** Called in the child: reports that it is ready, then answers questions. */
export function answerParent(ready: Child["ready"], more: Answers = {}): void {
  const answers: Answers = { cpu: cpuMicros, memory: residentBytes, ...more };
  process.on("message", async (question: string) => {
    if (question === "stop") process.exit(0);
    process.send?.({ answer: await answers[question]?.() });
  });
  // A benchmark that is killed must not leave its children running.
  process.on("disconnect", () => process.exit(0));
  process.send?.({ ready });
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function residentBytes(): number {
  Bun.gc(true);
  return process.memoryUsage.rss();
}

/** The child's parameters. */
export function parameters<T>(): T {
  return JSON.parse(process.argv[2] ?? "{}");
}
