import { join } from "node:path";

/** A child process that answers questions in order. Questions and answers are JSON values. */
export interface Child<Answers> {
  readonly pid: number;
  /** Rejects if the child's answer throws. */
  ask<Name extends keyof Answers & string>(
    question: Name,
    ...parameters: ParametersOf<Answers[Name]>
  ): Promise<AnswerOf<Answers[Name]>>;
  stop(): Promise<void>;
}

type AnswerTo = (parameter: never) => unknown;
type ParametersOf<T> = T extends (...parameters: infer P) => unknown ? P : never;
type AnswerOf<T> = T extends (...parameters: never[]) => infer R ? Awaited<R> : never;
type Question = readonly [name: string, parameter: unknown];
type Reply = { readonly ready: true } | { readonly answer: unknown } | { readonly failure: string };

interface ChildOptions {
  /** A command that runs the process, such as `ip netns exec <namespace>`. */
  readonly prefix?: readonly string[] | undefined;
}

/** Starts `children/<name>.ts` with its parameters. Resolves when it is ready. */
export async function startChild<Answers>(
  name: string,
  parameters: object,
  { prefix = [] }: ChildOptions = {},
): Promise<Child<Answers>> {
  const ready = Promise.withResolvers<void>();
  const waiting: { resolve(answer: unknown): void; reject(error: Error): void }[] = [];
  const file = join(import.meta.dir, "children", `${name}.ts`);
  const child = Bun.spawn([...prefix, process.execPath, file, JSON.stringify(parameters)], {
    stdout: "ignore",
    stderr: "inherit",
    ipc(reply: Reply) {
      if ("ready" in reply) return ready.resolve();
      const asker = waiting.shift();
      if ("failure" in reply) asker?.reject(new Error(`${name}: ${reply.failure}`));
      else asker?.resolve(reply.answer);
    },
    onExit(_, code) {
      const error = new Error(`the child ${name} ended with ${code}`);
      ready.reject(error);
      for (const { reject } of waiting) reject(error);
    },
  });
  await ready.promise;
  return {
    pid: child.pid,
    ask(question, ...parameters) {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      waiting.push({ resolve, reject });
      child.send([question, parameters[0]] satisfies Question);
      // The caller names the type of the child's answer.
      return promise as Promise<AnswerOf<Answers[typeof question]>>;
    },
    async stop() {
      child.kill();
      await child.exited;
    },
  };
}

/** Called in the child: reports that it is ready, then answers questions one after the other. */
export function answerParent(answers: Readonly<Record<string, AnswerTo>>): void {
  const answer = async ([name, parameter]: Question): Promise<Reply> => {
    try {
      return { answer: await answers[name]?.(parameter as never) };
    } catch (error) {
      return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  };
  let last = Promise.resolve();
  process.on("message", (question: Question) => {
    last = last.then(async () => void process.send?.(await answer(question)));
  });
  process.send?.({ ready: true } satisfies Reply);
}

/** The child's parameters. */
export function parameters<T>(): T {
  return JSON.parse(process.argv[2] ?? "{}");
}
