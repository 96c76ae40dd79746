import type { Cost } from "../bench/amplification/subject.ts";
import type { Child } from "../bench/child.ts";

/** One input and its measurement. */
export interface Attempt {
  readonly what: string;
  readonly cost: () => Promise<Cost>;
}

/** Measures CPU per input and peak memory per round, and collects what is over a bound. */
export class CostOracle {
  readonly finds: string[] = [];
  readonly #cpuMicrosMax: number;
  readonly #peakBytesMax: number;
  readonly #process: Child;
  #mostMicros = 0;
  #highestBytes = 0;

  /** `cpuMicrosMax` is per counted failure; `peakBytesMax` is the growth during one round. */
  constructor(cpuMicrosMax: number, peakBytesMax: number, process: Child) {
    this.#cpuMicrosMax = cpuMicrosMax;
    this.#peakBytesMax = peakBytesMax;
    this.#process = process;
  }

  async round(attempts: readonly Attempt[]): Promise<void> {
    const before = await this.#process.ask<number>("forgetPeak");
    for (const attempt of attempts) await this.#look(attempt);
    const growth = (await this.#process.ask<number>("peakBytes")) - before;
    this.#highestBytes = Math.max(this.#highestBytes, growth);
    if (growth > this.#peakBytesMax) {
      this.finds.push(`${growth} bytes at the peak: ${attempts.map(({ what }) => what).join("\n")}`);
    }
  }

  summary(): string {
    const megabytes = this.#highestBytes / 1024 / 1024;
    return `at most ${(this.#mostMicros / 1000).toFixed(2)} ms of CPU, at the peak ${megabytes.toFixed(1)} MiB more`;
  }

  async #look({ what, cost }: Attempt): Promise<void> {
    const first = await cost();
    const { cpuMicros, failures } = first.cpuMicros / first.failures > this.#cpuMicrosMax ? await first.again() : first;
    const micros = cpuMicros / failures;
    this.#mostMicros = Math.max(this.#mostMicros, micros);
    if (micros > this.#cpuMicrosMax) this.finds.push(`${Math.round(micros)} us of CPU: ${what}`);
  }
}
