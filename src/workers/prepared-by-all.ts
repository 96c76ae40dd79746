import type { WorkerLink } from "./worker-link.ts";

/**
 * Maximum time that a worker may need to prepare a configuration, in ms. A busy worker needs this time for about a thousand large
 * schemas, because it also handles requests in between.
 */
const PREPARE_MS_MAX = 30_000;

/** Lets every worker prepare a new configuration. Resolves to the problems that the workers report, without duplicates. */
export async function preparedByAll(workers: readonly WorkerLink[], id: number, config: unknown): Promise<string[]> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, PREPARE_MS_MAX);
  const prepare = (worker: WorkerLink) => {
    const problem = late.promise.then(() => `worker ${worker.index} did not prepare within ${PREPARE_MS_MAX} ms`);
    return Promise.race([worker.prepare(id, config), problem]);
  };
  const problems = await Promise.all(workers.map(prepare));
  clearTimeout(timer);
  return [...new Set(problems.filter((problem) => problem !== undefined))];
}
