import { readFileSync } from "node:fs";
import { createConnectTransport } from "@connectrpc/connect-node";
import { startDevBackend } from "../../../src/dev/backend.ts";
import { type Figure, median } from "../../bench/benchmark.ts";
import { type Served, serve } from "../../bench/served.ts";
import { lastNumber, outOfSequence, type ReceivedSequence, receivedSequence } from "../../support/received-sequence.ts";
import { RoamingClient } from "../../support/roaming-client.ts";
import { SILENT_LOG } from "../../support/silent-log.ts";
import { until } from "../../support/until.ts";
import { login, ROOMY } from "../../support/world.ts";
import { CHAOS_ROUTES, ChaosBackend } from "./backend.ts";
import { ChaosLoad, NumberedEvents } from "./load.ts";

export interface ChaosOptions {
  readonly kills: number;
  /** The kills are spread over this time. A slow machine takes longer. */
  readonly overMs: number;
  readonly workers: number;
  readonly streams: number;
  /** The command line of the gateway, without `serve`. Default: the source. */
  readonly command?: readonly string[];
  readonly report?: (line: string) => void;
}

const ANY_PORT = { host: "127.0.0.1", port: 0 };
const WAIT_MS_MAX = 60_000;
const REPORTS = 20;
/** A lock that a killed worker held is free after a second. The rest is for slow machines. */
const PAUSE_MS_MAX = 10_000;
/** A lock of a killed worker is taken over within a second. The rest is the time that a request may wait for it. */
const BUSY_MS_MAX = 1500;
/** Quiet times without kills, in which a lock that stays held is noticed. One follows the last kill. */
const QUIET_TIMES = 4;
const QUIET_MS = 3000;
const MEMORY_RATIO_MAX = 1.25;

/**
 * Kills random workers of a gateway under load, one after the other. The load is copies of requests, more commands than a budget allows, and
 * streams that resume. The figures show whether a guarantee was broken.
 */
export async function chaos(options: ChaosOptions): Promise<Figure[]> {
  await using undo = new AsyncDisposableStack();
  const dev = await startDevBackend({ restListen: ANY_PORT, pushListen: ANY_PORT, database: ":memory:", log: SILENT_LOG });
  undo.defer(() => dev.stop());
  const backend = new ChaosBackend(dev);
  undo.defer(() => backend.stop());
  const gateway = await startGateway(options, { "backend.url": backend.url, "push.url": dev.pushUrl });
  undo.defer(() => gateway.stop());
  const device = await login(gateway.edgeUrl, dev.restUrl, "ada@example.com");
  const transport = () => createConnectTransport({ baseUrl: gateway.edgeUrl, httpVersion: "1.1" });
  const clients = Array.from({ length: options.streams }, () => new RoamingClient(transport(), device));
  await until(() => clients.every(({ events }) => events.length > 0), "the streams to open", WAIT_MS_MAX);

  const events = new NumberedEvents(dev.restUrl, device);
  const load = new ChaosLoad(gateway.edgeUrl, device);
  const { memory, killedMs } = await killWorkers(gateway, options);
  await load.stop();
  const last = await events.stop();
  const sequences = await Promise.all(clients.map((client) => finalSequence(client, last)));
  options.report?.(`outcomes: ${JSON.stringify(Object.fromEntries(load.outcomes))}`);
  const half = Math.floor(memory.length / 2);
  return [
    { figure: "workers killed", value: options.kills, unit: "kills" },
    { figure: "commands that reached the backend", value: backend.commands, unit: "commands" },
    { figure: "commands that reached it more than once", value: backend.repeated, unit: "commands", bound: 0 },
    { figure: "copies of a request that succeeded, at most", value: load.mostOk, unit: "copies", bound: 1 },
    { figure: "commands with a budget", value: backend.limitedCommands, unit: "commands" },
    { figure: "commands over the budget", value: backend.overBudget, unit: "commands", bound: 0 },
    { figure: "longest time without a successful command", value: load.longestPauseMs, unit: "ms", bound: PAUSE_MS_MAX },
    {
      figure: "last kill before a request that a busy table refused, at most",
      value: longestSinceKill(load.refusedMs, killedMs),
      unit: "ms",
      bound: BUSY_MS_MAX,
    },
    { figure: "events to each stream", value: last, unit: "events" },
    {
      figure: "events out of sequence without a resync",
      value: sequences.reduce((sum, sequence) => sum + outOfSequence(fromZero(sequence)).length, 0),
      unit: "events",
      bound: 0,
    },
    {
      figure: "streams without the last event or a resync",
      value: sequences.filter((sequence) => sequence.at(-1) !== last && sequence.at(-1) !== "resync").length,
      unit: "streams",
      bound: 0,
    },
    { figure: "resyncs", value: sequences.flat().filter((each) => each === "resync").length, unit: "resyncs" },
    { figure: "memory of the supervisor at the end", value: memory.at(-1) ?? Number.NaN, unit: "MB" },
    {
      figure: "memory of the supervisor, second half / first half",
      value: median(memory.slice(half)) / median(memory.slice(0, half)),
      unit: "ratio",
      bound: MEMORY_RATIO_MAX,
    },
  ];
}

function startGateway({ workers, command }: ChaosOptions, wiring: Readonly<Record<string, string>>): Promise<Served> {
  const roomy = Object.fromEntries(Object.entries(ROOMY).map(([key, value]) => [key, String(value)]));
  const settings = {
    ...roomy,
    ...wiring,
    ...{ "edge.listen": "127.0.0.1:0", "grpc.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0" },
    ...{ "replay.entries_max": "1000000", "buckets.entries_max": "10000", "session_cache.entries_max": "1000" },
    "history.events_max": "1000",
    "streams.outbox_messages_max": "2000",
    "keys.current": Buffer.alloc(32, 1).toString("base64"),
    "workers.count": String(workers),
    "log.level": "info",
    routes: JSON.stringify(CHAOS_ROUTES),
  };
  return serve(settings, { command });
}

/** The longest time from the last kill before a refused request to this request, in ms. */
function longestSinceKill(refusedMs: readonly number[], killedMs: readonly number[]): number {
  return Math.round(Math.max(0, ...refusedMs.map((ms) => ms - (killedMs.findLast((each) => each <= ms) ?? 0))));
}

interface Killed {
  /** Samples of the supervisor's memory, in MB. */
  readonly memory: number[];
  /** When each worker was killed, in ms. */
  readonly killedMs: number[];
}

/** Kills the workers. */
async function killWorkers(gateway: Served, { kills, overMs, workers, report }: ChaosOptions): Promise<Killed> {
  const killedMs: number[] = [];
  const memory = [await gateway.residentMb()];
  const startedMs = performance.now();
  for (let kill = 1; kill <= kills; kill++) {
    const dueMs = startedMs + (kill / kills) * overMs * (1 - Math.random() / kills);
    await Bun.sleep(Math.max(0, dueMs - performance.now()));
    await until(() => workerPids(gateway.pid).length > 1, "two workers to run", WAIT_MS_MAX);
    const pids = workerPids(gateway.pid);
    const pid = pids[Math.floor(Math.random() * pids.length)];
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    killedMs.push(performance.now());
    await until(() => !workerPids(gateway.pid).includes(pid ?? 0), "the killed worker to end", WAIT_MS_MAX);
    if (kill === kills || kill % Math.ceil(kills / QUIET_TIMES) === 0) await Bun.sleep(QUIET_MS);
    if (kill % Math.ceil(kills / REPORTS) > 0) continue;
    memory.push(await gateway.residentMb());
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    report?.(`${kill} kills in ${seconds} s, ${pids.length} workers were running, supervisor ${memory.at(-1)} MB`);
  }
  await until(() => workerPids(gateway.pid).length === workers, "all workers to be replaced", WAIT_MS_MAX);
  return { memory, killedMs };
}

/** What a client received until the last event. Without this event, the sequence ends early. */
async function finalSequence(client: RoamingClient, last: number): Promise<ReceivedSequence> {
  await client.stopRoaming();
  const newest = () => lastNumber(client.streams.findLast((events) => lastNumber(events) !== undefined) ?? []);
  await until(() => newest() === last, "the last event", WAIT_MS_MAX).catch(() => {});
  return receivedSequence(client);
}

/** The sequence with its first number as 0: a client may have subscribed after the first events. */
function fromZero(received: ReceivedSequence): ReceivedSequence {
  const first = received.find((each) => each !== "resync") ?? 0;
  return received.map((each) => (each === "resync" ? each : each - first));
}

/** The running processes that the supervisor started. A worker that ended and was not yet reaped does not run. */
function workerPids(supervisor: number): number[] {
  const listed = readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, "latin1");
  return listed.split(" ").filter(Boolean).map(Number);
}
