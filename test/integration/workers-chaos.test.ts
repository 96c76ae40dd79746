import { expect, test } from "bun:test";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { startSupervisor } from "../../src/app/supervisor.ts";
import { loadConfig } from "../../src/config/load.ts";
import { startDevBackend } from "../../src/dev/backend.ts";
import { Gateway as GatewayService } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { outcomeOf } from "../support/outcome.ts";
import { receivedSequence } from "../support/received-sequence.ts";
import { RoamingClient } from "../support/roaming-client.ts";
import { SEED } from "../support/serve-settings.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { type Device, login, metric, ROOMY } from "../support/world.ts";

/**
 * Workers are killed under load. `SALLYPORT_WORKER_KILLS` sets the number of kills. Nothing is admitted twice, and every stream resumes whole at
 * another worker.
 */

const IS_LINUX = process.platform === "linux";
const KILLS = Number(process.env["SALLYPORT_WORKER_KILLS"] ?? 6);
const WORKERS = 3;
const WORKER_COMMAND = [process.execPath, join(import.meta.dir, "../../src/main.ts"), "worker"];
const ANY_PORT = { host: "127.0.0.1", port: 0 };
const SMALL = { "replay.entries_max": 100_000, "buckets.entries_max": 10_000, "session_cache.entries_max": 1000 };
const ROUTES = [{ message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" }] as const;
const WAIT_MS_MAX = 30_000;

test.skipIf(!IS_LINUX)(
  `after ${KILLS} kills of workers nothing was admitted twice, and no event is missing${IS_LINUX ? "" : " (skipped: workers need Linux)"}`,
  async () => {
    const backend = await startDevBackend({
      restListen: ANY_PORT,
      pushListen: ANY_PORT,
      database: ":memory:",
      log: SILENT_LOG,
    });
    const listen = { "edge.listen": ANY_PORT, "grpc.listen": ANY_PORT, "admin.listen": ANY_PORT };
    const wiring = { "backend.url": backend.restUrl, "push.url": backend.pushUrl, "keys.current": SEED, routes: ROUTES };
    const config = loadConfig({ env: {}, overrides: { ...ROOMY, ...SMALL, ...listen, ...wiring, "log.level": "error" } });
    const gateway = await startSupervisor({ config, log: SILENT_LOG, workers: WORKERS, workerCommand: WORKER_COMMAND });
    await until(async () => (await metric(gateway, "sallyport_push_feed_up")) === 1, "the push feed to be up");
    const device = await login(gateway.edgeUrl, backend.restUrl, "ada@example.com");
    const transport = () => createConnectTransport({ baseUrl: gateway.edgeUrl, httpVersion: "1.1" });
    const clients = Array.from({ length: 4 }, () => new RoamingClient(transport(), device));
    await until(() => clients.every(({ events }) => events.length > 0), "the streams to open");

    const isDone = { value: false };
    const pushed = pushNumbers(backend.restUrl, device, isDone);
    const admitted = [admitCopies(gateway.edgeUrl, device, isDone), admitCopies(gateway.edgeUrl, device, isDone)];
    for (let kill = 1; kill <= KILLS; kill++) {
      await Bun.sleep(Math.random() * 300);
      killWorker(kill);
      const isReplaced = async () => (await metric(gateway, "sallyport_worker_restarts_total")) === kill;
      await until(isReplaced, "the end of the worker to be noticed", WAIT_MS_MAX);
      await until(() => workerPids().length === WORKERS, "the worker to be replaced", WAIT_MS_MAX);
    }
    isDone.value = true;
    const last = await pushed;
    for (const outcomes of await Promise.all(admitted)) {
      expect(outcomes.mostOk).toBe(1);
      expect(outcomes.ok).toBeGreaterThan(0);
    }
    for (const client of clients) {
      await client.stopRoaming();
      await until(() => receivedSequence(client).at(-1) === last, "the last event", WAIT_MS_MAX);
      const received = receivedSequence(client);
      const [first = 0] = received.filter((each) => typeof each === "number");
      expect(received).toEqual(Array.from({ length: last - first + 1 }, (_, n) => first + n));
    }
    expect(await gateway.stop()).toBe(true);
    await backend.stop();
    expect(workerPids()).toEqual([]);
  },
  60_000 + KILLS * 3000,
);

/** Pushes numbers in order. Resolves to the last one. */
async function pushNumbers(restUrl: string, { userId }: Device, isDone: { readonly value: boolean }): Promise<number> {
  let n = 0;
  while (!isDone.value) {
    const body = JSON.stringify({ user_id: userId, event_type: "test.number", payload: { n: ++n } });
    await fetch(`${restUrl}/dev/push`, { method: "POST", body, headers: { "content-type": "application/json" } });
    await Bun.sleep(2);
  }
  return n;
}

/** Sends three copies of each request at once. A killed worker may answer none of them. */
async function admitCopies(edgeUrl: string, device: Device, isDone: { readonly value: boolean }) {
  const outcomes = { ok: 0, mostOk: 0 };
  while (!isDone.value) {
    const request = await device.signer.sign("user.profile.get", new Uint8Array());
    const copies = Array.from({ length: 3 }, () => {
      const client = createClient(GatewayService, createConnectTransport({ baseUrl: edgeUrl, httpVersion: "1.1" }));
      return outcomeOf(async () => (await client.executeCommand(request, { timeoutMs: 5000 })).envelope?.resultCode);
    });
    const ok = (await Promise.all(copies)).filter((outcome) => outcome === "ok").length;
    outcomes.ok += ok;
    outcomes.mostOk = Math.max(outcomes.mostOk, ok);
  }
  return outcomes;
}

function workerPids(): number[] {
  const listed = Bun.spawnSync(["pgrep", "-P", String(process.pid), "-f", "main.ts worker"]).stdout.toString();
  return listed.split("\n").filter(Boolean).map(Number);
}

function killWorker(seed: number): void {
  const pids = workerPids();
  const pid = pids[seed % pids.length];
  if (pid !== undefined) process.kill(pid, "SIGKILL");
}
