import { join } from "node:path";

/** A process of its own to measure: what it uses is what it costs, whatever the load generator beside it does. */
export interface Child {
  /** What the child said when it was ready. */
  readonly ready: { readonly port: number; readonly pushUrl?: string; readonly adminUrl?: string };
  /** CPU time used so far, user and system, in microseconds. */
  cpuMicros(): Promise<number>;
  /** Resident memory after a collection, in bytes. */
  residentBytes(): Promise<number>;
  stop(): Promise<void>;
}

type Question = "cpu" | "memory" | "stop";

/** Starts `children/<name>.ts` with its parameters, and waits until it is ready. */
export async function startChild(name: string, parameters: object = {}): Promise<Child> {
  const ready = Promise.withResolvers<Child["ready"]>();
  const answers: ((value: number) => void)[] = [];
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "children", `${name}.ts`), JSON.stringify(parameters)], {
    stdout: "ignore",
    stderr: "inherit",
    ipc(message: { ready?: Child["ready"]; answer?: number }) {
      if (message.ready !== undefined) ready.resolve(message.ready);
      if (message.answer !== undefined) answers.shift()?.(message.answer);
    },
    onExit: (_, code) => ready.reject(new Error(`the child ${name} ended with ${code}`)),
  });
  const ask = (question: Question) =>
    new Promise<number>((resolve) => {
      answers.push(resolve);
      child.send(question);
    });
  return {
    ready: await ready.promise,
    cpuMicros: () => ask("cpu"),
    residentBytes: () => ask("memory"),
    async stop() {
      child.send("stop");
      await child.exited;
    },
  };
}

/** The child's side: says that it is ready, and answers what is asked. */
export function answerParent(ready: Child["ready"]): void {
  process.on("message", (question: Question) => {
    if (question === "stop") process.exit(0);
    if (question === "memory") Bun.gc(true);
    const { user, system } = process.cpuUsage();
    process.send?.({ answer: question === "cpu" ? user + system : process.memoryUsage.rss() });
  });
  process.send?.({ ready });
}

/** The child's parameters. */
export function parameters<T>(): T {
  return JSON.parse(process.argv[2] ?? "{}");
}
