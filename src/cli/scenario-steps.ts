import { GatewayError } from "../client/errors.ts";
import { RestError } from "../client/rest.ts";
import { messageOf } from "../core/cause.ts";

/** Thrown by a step if its result is not the expected result. */
export class UnexpectedResult extends Error {
  readonly expected: string;
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super(`expected ${expected}, got ${actual}`);
    this.name = "UnexpectedResult";
    this.expected = expected;
    this.actual = actual;
  }
}

/** The result of a step: a value that later steps use, and a description that is printed. */
export interface StepResult<T> {
  readonly value: T;
  readonly description: string;
}

export interface ScenarioStepsOptions {
  readonly print: (line: string) => void;
  /** A monotonic clock, in milliseconds. */
  readonly monotonic: () => number;
  readonly stepTimeoutMs: number;
}

/** Runs the steps of a scenario, prints one line for each step, and counts the failed steps. */
export class ScenarioSteps {
  readonly #options: ScenarioStepsOptions;
  readonly #startedMs: number;
  #count = 0;
  #failed = 0;

  constructor(options: ScenarioStepsOptions) {
    this.#options = options;
    this.#startedMs = options.monotonic();
  }

  /** Runs a step and prints its result. Returns `undefined` if the step failed. */
  async run<T>(title: string, act: () => Promise<StepResult<T>>): Promise<T | undefined> {
    const { print, monotonic, stepTimeoutMs } = this.#options;
    const number = String(++this.#count).padStart(2);
    const startMs = monotonic();
    const duration = () => `${(monotonic() - startMs).toFixed(1)} ms`.padStart(10);
    try {
      const { value, description } = await inTime(act(), stepTimeoutMs);
      print(`${number} ✓ ${duration()}  ${title} → ${description}`);
      return value;
    } catch (error) {
      this.#failed++;
      print(`${number} ✗ ${duration()}  ${title} → expected: ${expectedBy(error)}; actual: ${describe(error)}`);
      return undefined;
    }
  }

  /** Prints the summary. Returns true if the scenario ran to its end (`isComplete`) and all steps passed. */
  summary(isComplete: boolean): boolean {
    const seconds = ((this.#options.monotonic() - this.#startedMs) / 1000).toFixed(2);
    const passed = this.#failed === 0 && isComplete;
    const count = passed ? `All ${this.#count} steps passed` : `${this.#failed} of ${this.#count} steps failed`;
    const rest = isComplete ? "" : "; the remaining steps depend on a failed step and were skipped";
    this.#options.print(`${passed ? "✓" : "✗"} ${count}, in ${seconds} s${rest}.`);
    return passed;
  }
}

async function inTime<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new UnexpectedResult(`a result within ${timeoutMs} ms`, "timeout")), timeoutMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function expectedBy(error: unknown): string {
  return error instanceof UnexpectedResult ? error.expected : "no error";
}

/** Returns a one-line description of an error. */
export function describe(error: unknown): string {
  if (error instanceof UnexpectedResult) return error.actual;
  if (error instanceof GatewayError) return `${error.code.toUpperCase()} ${error.reason ?? error.rawMessage}`;
  if (error instanceof RestError) return `HTTP ${error.status} ${error.code}: ${error.message}`;
  return messageOf(error);
}
