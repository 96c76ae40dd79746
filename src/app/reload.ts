import { createHash } from "node:crypto";
import { ConfigError } from "../config/problem.ts";
import { mergeReload, type Reload } from "../config/reload.ts";
import { rowsText } from "../config/row-changes.ts";
import { ruleViolations } from "../config/rules.ts";
import { CONFIG_KEYS, type Config, type ConfigKey, SCHEMA } from "../config/schema.ts";
import { messageOf } from "../core/cause.ts";
import type { Clock } from "../core/clock.ts";
import type { Prepared, ReloadOutcome } from "../core/reload.ts";
import type { Log } from "../core/telemetry.ts";
import type { Hub } from "../hub/hub.ts";
import type { BatchedLog } from "../observe/log.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";
import { hubSettings } from "./options.ts";
import { warnOfShortAnswers } from "./short-answers.ts";

/** A part of the gateway that uses a new configuration without a restart. */
export interface ReloadPart {
  /**
   * Does everything that can fail, and changes nothing. Throws if this part cannot use the configuration.
   */
  prepare(next: Config): Prepared | Promise<Prepared>;
}

export interface ReloadParts {
  readonly parts: readonly ReloadPart[];
  /** Returns why the configuration cannot be reloaded now; `undefined` if it can be reloaded. */
  readonly obstacle: () => string | undefined;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
}

/** Applies `log.level`. A log without `setLevel` keeps its level. Tests use such logs. */
export function logLevel(log: Partial<Pick<BatchedLog, "setLevel">>): ReloadPart {
  return { prepare: (next) => ({ commit: () => log.setLevel?.(next["log.level"]) }) };
}

/** Applies the limits of event streams and the limits of replay buffers. */
export function hubLimits(hub: Pick<Hub, "adopt">): ReloadPart {
  return { prepare: (next) => ({ commit: () => hub.adopt(hubSettings(next)) }) };
}

/** Lets all parts prepare the configuration. Throws if one of them cannot use it. */
export async function prepareAll(parts: readonly ReloadPart[], next: Config): Promise<Required<Prepared>> {
  const all: Prepared[] = [];
  for (const part of parts) all.push(await part.prepare(next));
  return {
    commit() {
      for (const { commit } of all) commit();
    },
    changedFiles: all.flatMap(({ changedFiles = [] }) => changedFiles),
  };
}

/** Returns a configuration. It is read and checked, and it can be invalid for the running gateway. */
export type Load = () => Config | Promise<Config>;

/**
 * Reloads the configuration, as a whole or not at all. All parts prepare the new configuration. If one of them cannot use it,
 * nothing changes. Otherwise, all parts apply it in the same turn of the event loop.
 */
export class Reloading {
  readonly #parts: ReloadParts;
  #running: Config;
  #generation = 1;
  #current: Promise<ReloadOutcome> | undefined;
  /** The reload that starts when the current one ends. All calls of `reload` during the current reload share it. */
  #next: Promise<ReloadOutcome> | undefined;

  constructor(config: Config, parts: ReloadParts) {
    this.#parts = parts;
    this.#running = config;
    this.#sample();
  }

  /** The configuration that the gateway uses. */
  get running(): Config {
    return this.#running;
  }

  /** Calls `load`, and applies the configuration that it returns. If `load` throws, nothing changes. Never rejects. */
  reload(load: Load): Promise<ReloadOutcome> {
    if (this.#current === undefined) return this.#start(load);
    this.#next ??= this.#current.then(() => {
      this.#next = undefined;
      return this.#start(load);
    });
    return this.#next;
  }

  #start(load: Load): Promise<ReloadOutcome> {
    const current = this.#run(load).finally(() => {
      this.#current = undefined;
    });
    this.#current = current;
    return current;
  }

  async #run(load: Load): Promise<ReloadOutcome> {
    try {
      this.#requireNoObstacle();
      const reload = mergeReload(this.#running, await load());
      const problems = ruleViolations(reload.merged);
      if (problems.length > 0) throw new ConfigError(withHint(problems, reload));
      const { commit, changedFiles } = await prepareAll(this.#parts.parts, reload.merged);
      this.#requireNoObstacle();
      commit();
      return this.#applied({ ...reload, changed: withFiles(reload, changedFiles) });
    } catch (error) {
      return this.#refused(error);
    }
  }

  #requireNoObstacle(): void {
    const obstacle = this.#parts.obstacle();
    if (obstacle !== undefined) throw new Error(obstacle);
  }

  #applied({ merged, changed, rows, needRestart }: Reload): ReloadOutcome {
    const { log, metrics } = this.#parts;
    this.#running = merged;
    this.#generation++;
    this.#sample();
    metrics.count("sallyport_config_reloads_total", { outcome: "adopted" });
    const changedRows = Object.entries(rows).map(([table, changes]) => [table, rowsText(changes)] as const);
    log.info("configuration reloaded", {
      generation: this.#generation,
      changed: changed.join(" "),
      ...Object.fromEntries(changedRows),
    });
    if (changed.includes("routes")) warnOfShortAnswers(merged, log);
    if (needRestart.length > 0) log.warn("configuration change requires restart", { settings: needRestart.join(" ") });
    return { kind: "reloaded", generation: this.#generation, changed, rows, needsRestart: needRestart };
  }

  #refused(error: unknown): ReloadOutcome {
    const { log, metrics } = this.#parts;
    metrics.count("sallyport_config_reloads_total", { outcome: "refused" });
    log.error("configuration reload refused", { cause: messageOf(error) });
    return { kind: "refused", problems: error instanceof ConfigError ? error.problems : [messageOf(error)] };
  }

  #sample(): void {
    const { metrics, clock } = this.#parts;
    metrics.gauge("sallyport_config_generation", this.#generation);
    metrics.gauge("sallyport_config_hash", hashOf(this.#running));
    metrics.gauge("sallyport_config_applied_seconds", clock.now() / 1000);
  }
}

/** Returns the changed settings and the settings whose files have new contents, in the order of the schema. */
function withFiles({ changed }: Reload, changedFiles: readonly string[]): ConfigKey[] {
  const all = new Set<string>([...changed, ...changedFiles]);
  return CONFIG_KEYS.filter((key) => all.has(key));
}

/**
 * Adds to `problems` the names of the changed settings that need a restart. A reload keeps the old values of these settings. An
 * old value may be the cause of a problem.
 */
function withHint(problems: readonly string[], { needRestart }: Reload): string[] {
  return needRestart.length === 0 ? [...problems] : [...problems, `these changes need a restart: ${needRestart.join(", ")}`];
}

/**
 * Length of the configuration hash, in hexadecimal digits. The 12 digits are 48 bits. They fit into a metric value, which is a
 * double and holds integers of up to 53 bits.
 */
const HASH_DIGITS = 12;

/** Returns a hash of all settings that are not secret. */
function hashOf(config: Config): number {
  const shown = CONFIG_KEYS.filter((key) => !SCHEMA[key].secret).map((key) => [key, config[key]]);
  return Number.parseInt(createHash("sha256").update(JSON.stringify(shown)).digest("hex").slice(0, HASH_DIGITS), 16);
}
