import { createHash } from "node:crypto";
import type { GatewayConfig } from "../config/rules.ts";
import type { Config, ConfigKey } from "../config/schema.ts";
import type { AnswerStore } from "../core/answers.ts";
import type { Clock } from "../core/clock.ts";
import { UpgradeError } from "../core/start-error.ts";
import type { Log } from "../core/telemetry.ts";
import type { Stores } from "../stores/open.ts";
import type { Listener } from "../transport/listener.ts";
import type { OwnAnswers } from "../upgrade/answer-giver.ts";
import type { Inheritance } from "../upgrade/messages.ts";
import type { Predecessor } from "../upgrade/predecessor.ts";
import { SUCCESSOR_FDS } from "../upgrade/successor-process.ts";
import type { EventPath } from "./event-path.ts";
import type { Readiness } from "./readiness.ts";
import { SharedMemory } from "./shared-memory.ts";

/** The predecessor, and what it hands over to this process. */
export interface Succession {
  readonly predecessor: Predecessor;
  readonly inheritance: Inheritance;
}

/** Interval at which a starting process reports to its predecessor why it is not ready yet, in ms. */
const CHECK_MS = 20;

/**
 * Returns the configuration with two changes. The listeners use SO_REUSEPORT, because the predecessor still has its ports open. A
 * configured port 0 is replaced by the port of the predecessor.
 */
export function inheritPorts(config: GatewayConfig, succession: Succession | undefined): GatewayConfig {
  if (succession === undefined) return config;
  const { ports } = succession.inheritance;
  const shared = (key: "edge.listen" | "grpc.listen" | "admin.listen" | "push.listen", port = 0) => {
    const listen = config[key];
    return { ...listen, port: listen.port === 0 ? port : listen.port, isShared: true };
  };
  return {
    ...config,
    "edge.listen": shared("edge.listen", ports.edge),
    "grpc.listen": shared("grpc.listen", ports.grpc),
    "admin.listen": shared("admin.listen", ports.admin),
    "push.listen": shared("push.listen", ports.publish),
  };
}

/** Opens the memory for the stores. If the predecessor passed its memory to this process, uses that. */
export function openSharedMemory(
  config: Config,
  succession: Succession | undefined,
  parts: { readonly clock: Clock; readonly log: Log },
): SharedMemory {
  if (succession !== undefined) requireSameStores(config, succession.inheritance);
  if (succession?.inheritance.hasSharedMemory) return new SharedMemory(SUCCESSOR_FDS.sharedMemory);
  return SharedMemory.open(config, { ...parts, isSuccessor: succession !== undefined });
}

/**
 * Throws `UpgradeError` if the configured stores are not those of the predecessor. For a while, this process and the predecessor
 * both admit requests. With different stores, a replayed request could be admitted by both.
 */
function requireSameStores(config: Config, inheritance: Inheritance): void {
  const changed = changedKeys(config, inheritance);
  if (identityOf(config) === inheritance.stores && changed.length === 0) return;
  throw new UpgradeError(`${changeShown(config, changed)}: restart the gateway instead`);
}

/** Returns the changed settings of the stores. Returns an empty list if the predecessor did not send its settings. */
function changedKeys(config: Config, { storeSettings }: Inheritance): readonly ConfigKey[] {
  if (storeSettings === undefined) return [];
  const digests = digestsOf(config);
  const keys = new Set<ConfigKey>([...storeKeys(config), "stores.shared_file"]);
  return [...keys].filter((key) => digests[key] !== storeSettings[key]);
}

/** Names the changed settings of the stores, such as `stores.redis.url was changed`. */
function changeShown(config: Config, changed: readonly ConfigKey[]): string {
  if (changed.length === 0) return `one of ${storeKeys(config).join(", ")} was changed`;
  const [first = "", ...more] = changed.includes("stores.kind") ? ["stores.kind"] : changed;
  return more.length === 0 ? `${first} was changed` : `${[first, ...more].join(" and ")} were changed`;
}

/** Throws `UpgradeError` if the open stores are not those of the predecessor, for example if the shared file was replaced. */
export function requireSameMemory({ replayCoverageStartMs }: Stores, succession: Succession | undefined): void {
  if (succession === undefined || finite(replayCoverageStartMs) === succession.inheritance.storesCreatedMs) return;
  throw new UpgradeError("stores.shared_file is not the file of the running gateway: restart the gateway instead");
}

/** Returns the answer store. If the predecessor keeps answers in its memory, the store inherits them. */
export function answersOf({ answers, memoryAnswers }: Stores, succession: Succession | undefined): AnswerStore {
  if (memoryAnswers === undefined || !succession?.inheritance.hasAnswers) return answers;
  return succession.predecessor.inheritAnswers(memoryAnswers);
}

/**
 * Waits until this process is ready: for example, until the push feed is up and the replay buffers are filled. So the process can
 * serve the first connection that it accepts.
 */
export async function untilReady(readiness: Readiness, { predecessor }: Succession): Promise<void> {
  for (let reasons = readiness.reasons(); reasons.length > 0; reasons = readiness.reasons()) {
    predecessor.waiting(reasons);
    await Bun.sleep(CHECK_MS);
  }
}

export interface Estate {
  readonly config: Config;
  readonly stores: Stores;
  readonly memory: SharedMemory | undefined;
  /** The ports of the public listeners. They already have SO_REUSEPORT, so a successor can listen on them. */
  readonly ports: Readonly<Record<"edge" | "grpc", number>>;
  readonly admin: Listener;
  readonly events: Pick<EventPath, "checkpoint" | "privateListener">;
}

/**
 * Returns what a successor gets. Lets the successor also listen on the ports of the admin and private listeners. Throws
 * `UpgradeError` if the successor could not get the same stores or events.
 */
export function bequeath({ config, stores, memory, ports, admin, events }: Estate): Inheritance {
  if (memory === undefined)
    throw new UpgradeError("the stores are in the private memory of this process: restart the gateway instead");
  if (config["push.source"] === "http")
    throw new UpgradeError("with push.source = http, two processes do not get the same events: restart the gateway instead");
  const { privateListener } = events;
  for (const listener of [admin, privateListener]) listener?.sharePort();
  return {
    ports: { ...ports, admin: admin.address.port, publish: privateListener?.address.port },
    checkpoint: events.checkpoint(),
    stores: identityOf(config),
    storeSettings: digestsOf(config),
    storesCreatedMs: finite(stores.replayCoverageStartMs),
    hasSharedMemory: memory !== undefined,
    hasAnswers: stores.memoryAnswers !== undefined,
  };
}

/** Returns the kept answers that are in the memory of this process. `store`: the answer store that the requests use. */
export function ownAnswers({ memoryAnswers }: Stores, store: AnswerStore): OwnAnswers | undefined {
  return memoryAnswers && { store, handOver: () => memoryAnswers.handOver() };
}

/** Returns one digest of all settings that select the stores. */
function identityOf(config: Config): string {
  return digestOf(storeKeys(config).map((key) => config[key]));
}

const MEMORY_SETTINGS: readonly ConfigKey[] = ["stores.kind", "stores.shared_file"];
const REDIS_SETTINGS: readonly ConfigKey[] = ["stores.kind", "stores.redis.url", "stores.redis.prefix"];

/** Returns the names of the settings that select the stores. They depend on `stores.kind`. */
function storeKeys(config: Config): readonly ConfigKey[] {
  return config["stores.kind"] === "redis" ? REDIS_SETTINGS : MEMORY_SETTINGS;
}

function digestsOf(config: Config): Readonly<Record<string, string>> {
  return Object.fromEntries([...MEMORY_SETTINGS, ...REDIS_SETTINGS].map((key) => [key, digestOf([config[key]])]));
}

/** The successor gets digests of the settings, not their values, because the URL of Redis may contain a password. */
function digestOf(values: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(values)).digest("base64");
}

function finite(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined;
}
