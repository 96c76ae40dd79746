import { compileSchemas } from "../config/route-schemas.ts";
import type { Config } from "../config/schema.ts";
import { messageOf } from "../core/cause.ts";
import { runInSlices } from "../core/slices.ts";
import { prepareAll, type ReloadPart } from "./reload.ts";

export interface WorkerReloadParts {
  /** Tells the supervisor whether this worker can use the configuration. */
  readonly answer: (id: number, problem: string | undefined) => void;
  /** Called if this worker cannot use a configuration that the supervisor already uses. */
  readonly failed: (problem: string) => void;
}

/** Reloads the configuration of a worker. First, all workers prepare the new one. Then the supervisor tells them to apply it. */
export class WorkerReload {
  readonly #own: WorkerReloadParts;
  /** The parts that use the configuration; `undefined` until the worker has started. */
  #parts: readonly ReloadPart[] | undefined;
  #prepared: { readonly id: number; readonly commit: () => void } | undefined;
  /** The work for messages that arrived before `start`. */
  readonly #early: (() => Promise<void>)[] = [];
  #last = Promise.resolve();

  constructor(own: WorkerReloadParts) {
    this.#own = own;
  }

  /** Call this when the worker has started with the configuration of its start message. */
  start(parts: readonly ReloadPart[]): void {
    this.#parts = parts;
    for (const work of this.#early.splice(0)) this.#queue(work);
  }

  prepare(id: number, config: Config): void {
    this.#queue(async () => {
      try {
        this.#prepared = { id, commit: await this.#commitOf(config) };
        this.#own.answer(id, undefined);
      } catch (error) {
        this.#own.answer(id, messageOf(error));
      }
    });
  }

  commit(id: number, config: Config): void {
    this.#queue(async () => {
      try {
        const commit = this.#prepared?.id === id ? this.#prepared.commit : await this.#commitOf(config);
        this.#prepared = undefined;
        commit();
      } catch (error) {
        this.#own.failed(messageOf(error));
      }
    });
  }

  /** Runs the work for each message after the work for the previous message has ended. */
  #queue(work: () => Promise<void>): void {
    if (this.#parts === undefined) this.#early.push(work);
    else this.#last = this.#last.then(work);
  }

  async #commitOf(config: Config): Promise<() => void> {
    await runInSlices(compileSchemas(config));
    return (await prepareAll(this.#parts ?? [], config)).commit;
  }
}
