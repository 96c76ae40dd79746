import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ReplayStore } from "../../../src/core/admission.ts";
import type { BucketDemand, BudgetScope } from "../../../src/core/buckets.ts";
import { REASONS, type Reason } from "../../../src/core/reasons.ts";
import { refuse } from "../../../src/core/refusal.ts";
import type { TestedBucketStore } from "../bucket-store.contract.ts";
import type { TestedHeldCounts } from "../held-counts.contract.ts";

type Call =
  | { readonly method: "reserve"; readonly args: Parameters<ReplayStore["reserve"]> }
  | { readonly method: "take" | "spend"; readonly demands: readonly BucketDemand[] }
  | {
      readonly method: "held" | "tryAdd" | "remove" | "removeOver";
      readonly key: string;
      readonly amount: number;
      readonly max: number;
    }
  | { readonly method: "check"; readonly demand: BucketDemand; readonly tokens: number | undefined };

/** A call of a store in another process. */
export interface SharedCall {
  readonly id: number;
  readonly nowMs: number;
  readonly call: Call;
}

export interface SharedResult {
  readonly id: number;
  readonly value?: unknown;
  readonly shadowRefusals?: readonly string[];
  /** The reason of the refusal that the call threw. */
  readonly refusal?: string;
}

const CHILD = join(import.meta.dir, "../children/shared-store.ts");

/** Several processes with one shared file. Their calls alternate between the processes. */
export class SharedProcesses {
  readonly folder = mkdtempSync(join(tmpdir(), "sallyport-shared-"));
  readonly path = join(this.folder, "tables");
  readonly #children: Child[] = [];
  #next = 0;

  static async start(count: number): Promise<SharedProcesses> {
    const all = new SharedProcesses();
    // The first process creates the file.
    for (let n = 0; n < count; n++) all.#children.push(await Child.start(all.path));
    return all;
  }

  readonly replay = (nowMs: () => number): ReplayStore => ({
    reserve: async (...args) => (await this.call({ method: "reserve", args }, nowMs())).value === true,
  });

  readonly buckets: TestedBucketStore = {
    take: async (demands, nowMs, onShadowRefusal) => {
      const { value, shadowRefusals = [] } = await this.call({ method: "take", demands }, nowMs);
      for (const scope of shadowRefusals) onShadowRefusal?.(scope as BudgetScope);
      return value as Awaited<ReturnType<TestedBucketStore["take"]>>;
    },
    spend: async (demands, nowMs) => void (await this.call({ method: "spend", demands: [demands].flat() }, nowMs)),
    check: async (demand, nowMs, tokens) =>
      (await this.call({ method: "check", demand, tokens }, nowMs)).value as Awaited<ReturnType<TestedBucketStore["check"]>>,
  };

  /** The connections, as the process with this number counts them. */
  heldBy(process: number): TestedHeldCounts {
    const call = async (method: "held" | "tryAdd" | "remove" | "removeOver", key: string, amount: number, max = Infinity) =>
      (await this.#callAt(process, { method, key, amount, max }, 0)).value;
    return {
      held: async (key) => Number(await call("held", key, 0)),
      tryAdd: async (key, amount, max) => (await call("tryAdd", key, amount, max)) === true,
      remove: async (key, amount) => void (await call("remove", key, amount)),
      removeOver: async (key, max) => (await call("removeOver", key, 1, max)) === true,
    };
  }

  /** The connections: additions alternate between the processes, and a removal is done by the process that added. */
  get held(): TestedHeldCounts {
    const next = () => this.heldBy(this.#next++ % this.#children.length);
    return {
      held: (key) => next().held(key),
      tryAdd: (key, amount, max) => next().tryAdd(key, amount, max),
      remove: (key, amount) => next().remove(key, amount),
      removeOver: (key, max) => next().removeOver(key, max),
    };
  }

  call(call: Call, nowMs: number): Promise<SharedResult> {
    return this.#callAt(this.#next++ % this.#children.length, call, nowMs);
  }

  async #callAt(process: number, call: Call, nowMs: number): Promise<SharedResult> {
    const child = this.#children[process];
    if (child === undefined) throw new Error("no process is left");
    const result = await child.call(call, nowMs);
    if (result.refusal !== undefined) throw isReason(result.refusal) ? refuse(result.refusal) : new Error(result.refusal);
    return result;
  }

  /** Kills a process, and starts another one. Default: the process that would get the next call. */
  async killOne(at = this.#next % this.#children.length): Promise<void> {
    await this.#children[at]?.kill();
    this.#children[at] = await Child.start(this.path);
  }

  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.kill()));
    rmSync(this.folder, { recursive: true });
  }
}

class Child {
  readonly #process: Bun.Subprocess;
  readonly #waiting: Map<number, (result: SharedResult) => void>;
  #lastId = 0;

  private constructor(child: Bun.Subprocess, waiting: Map<number, (result: SharedResult) => void>) {
    this.#process = child;
    this.#waiting = waiting;
  }

  static async start(path: string): Promise<Child> {
    const waiting = new Map<number, (result: SharedResult) => void>();
    const ready = new Promise((resolve) => waiting.set(0, resolve));
    const child = Bun.spawn([process.execPath, CHILD, path], {
      ipc: (result: SharedResult) => {
        waiting.get(result.id)?.(result);
        waiting.delete(result.id);
      },
      stdout: "inherit",
      stderr: "inherit",
    });
    await ready;
    return new Child(child, waiting);
  }

  call(call: Call, nowMs: number): Promise<SharedResult> {
    const id = ++this.#lastId;
    const result = new Promise<SharedResult>((resolve) => this.#waiting.set(id, resolve));
    this.#process.send({ id, nowMs, call } satisfies SharedCall);
    return result;
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }
}

function isReason(text: string): text is Reason {
  return REASONS.some((reason) => reason === text);
}
