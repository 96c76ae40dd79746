import type { Budget } from "../../core/buckets.ts";
import type { HttpMethod } from "./http-client.ts";
import { PathTemplate } from "./path-template.ts";

/** One `[[routes]]` entry of the configuration file. */
export interface RouteEntry {
  readonly message_type: string;
  readonly method: HttpMethod;
  readonly path: string;
  readonly timeout_ms?: number | undefined;
  readonly keep_answer_ms?: number | undefined;
  readonly budget?: RouteBudgetEntry | undefined;
}

interface RouteBudgetEntry {
  readonly rate: number;
  readonly burst: number;
  readonly shadow?: boolean | undefined;
}

export interface CompiledRoute {
  readonly messageType: string;
  readonly method: HttpMethod;
  readonly path: PathTemplate;
  /** Timeout of the backend calls of this route, in ms. If it is `undefined`, the setting `backend.timeout_ms` applies. */
  readonly timeoutMs: number | undefined;
  /** How long the answers of this route are kept, in ms; `undefined` if they are not kept. */
  readonly keepAnswerMs: number | undefined;
  readonly budget: Budget | undefined;
}

/** The routes of the configuration, one for each message type. */
export class RouteTable {
  readonly #routes = new Map<string, CompiledRoute>();

  /** Throws a TypeError if a path is invalid or a message type has two routes. */
  constructor(entries: readonly RouteEntry[]) {
    for (const entry of entries) {
      if (this.#routes.has(entry.message_type)) throw new TypeError(`message type ${entry.message_type}: has two routes`);
      this.#routes.set(entry.message_type, compile(entry));
    }
  }

  /**
   * Gives each route the budget of the new entry with the same message type. Ignores all other fields, and entries without a
   * route.
   */
  adoptBudgets(entries: readonly RouteEntry[]): void {
    for (const { message_type: messageType, budget } of entries) {
      const route = this.#routes.get(messageType);
      if (route !== undefined) this.#routes.set(messageType, { ...route, budget: compileBudget(budget) });
    }
  }

  find(messageType: string): CompiledRoute | undefined {
    return this.#routes.get(messageType);
  }
}

function compile(entry: RouteEntry): CompiledRoute {
  return {
    messageType: entry.message_type,
    method: entry.method,
    path: new PathTemplate(entry.path),
    timeoutMs: entry.timeout_ms,
    keepAnswerMs: entry.keep_answer_ms,
    budget: compileBudget(entry.budget),
  };
}

function compileBudget(entry: RouteBudgetEntry | undefined): Budget | undefined {
  return entry && { ratePerSecond: entry.rate, burst: entry.burst, shadow: entry.shadow };
}
