import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "../client/errors.ts";
import { RestError } from "../client/rest.ts";
import { messageOf } from "../core/cause.ts";

/** Tells a story step by step, and remembers whether every step held. */

/** A step that turned out otherwise than it should. */
export class Unexpected extends Error {
  readonly expected: string;
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super(`expected ${expected}, got ${actual}`);
    this.name = "Unexpected";
    this.expected = expected;
    this.actual = actual;
  }
}

/** What a step brought, for the steps after it, and in words. */
export interface Outcome<T> {
  readonly value: T;
  readonly words: string;
}

export interface StoryStepsOptions {
  readonly say: (line: string) => void;
  /** Milliseconds since some fixed moment, never stepping back. */
  readonly monotonic: () => number;
  readonly stepTimeoutMs: number;
}

export class StorySteps {
  readonly #options: StoryStepsOptions;
  readonly #startedMs: number;
  #told = 0;
  #failed = 0;

  constructor(options: StoryStepsOptions) {
    this.#options = options;
    this.#startedMs = options.monotonic();
  }

  /** Plays a step and says what came of it. `undefined`: it did not hold. */
  async play<T>(title: string, act: () => Promise<Outcome<T>>): Promise<T | undefined> {
    const { say, monotonic, stepTimeoutMs } = this.#options;
    const number = String(++this.#told).padStart(2);
    const beganMs = monotonic();
    const took = () => `${(monotonic() - beganMs).toFixed(1)} ms`.padStart(10);
    try {
      const { value, words } = await inTime(act(), stepTimeoutMs);
      say(`${number} ✓ ${took()}  ${title} → ${words}`);
      return value;
    } catch (error) {
      this.#failed++;
      say(`${number} ✗ ${took()}  ${title} → expected: ${expectedBy(error)}; actual: ${describe(error)}`);
      return undefined;
    }
  }

  /** Says how the story went. `true`: it was told to its end, and every step held. */
  summary(isComplete: boolean): boolean {
    const seconds = ((this.#options.monotonic() - this.#startedMs) / 1000).toFixed(2);
    const held = this.#failed === 0 && isComplete;
    const count = held ? `All ${this.#told} steps held` : `${this.#failed} of ${this.#told} steps did not hold`;
    const rest = isComplete ? "" : "; the steps after the last one need it and were not played";
    this.#options.say(`${held ? "✓" : "✗"} ${count}, in ${seconds} s${rest}.`);
    return held;
  }
}

async function inTime<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Unexpected(`an end within ${timeoutMs} ms`, "none so far")), timeoutMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function expectedBy(error: unknown): string {
  return error instanceof Unexpected ? error.expected : "no error";
}

/** An error in a few words, on one line. */
export function describe(error: unknown): string {
  if (error instanceof Unexpected) return error.actual;
  if (error instanceof ConnectError) return `${codeName(error.code)} ${reasonOf(error) ?? error.rawMessage}`;
  if (error instanceof RestError) return `HTTP ${error.status} ${error.code}: ${error.message}`;
  return messageOf(error);
}

/** A code as the RPC protocols write it: FAILED_PRECONDITION. */
export function codeName(code: Code): string {
  return Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
