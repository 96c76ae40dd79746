import { describe, expect, test } from "bun:test";
import type { Gateway } from "../../../src/app/gateway.ts";
import { RestartableGateway } from "../../../src/cli/restartable-gateway.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Config } from "../../../src/config/schema.ts";
import { ListenError } from "../../../src/core/listen.ts";
import { SILENT_LOG } from "../../support/silent-log.ts";
import { until } from "../../support/until.ts";

const PORTS = { "edge.listen": "4001", "grpc.listen": "4002", "admin.listen": "4003" };
const ANY_PORT = { host: "127.0.0.1", port: 0 };
const config = loadConfig({ env: {}, overrides: { "edge.listen": ANY_PORT, "admin.listen": ANY_PORT } });

/** Starts gateways that only record what happens to them. */
class Starts {
  readonly configs: Config[] = [];
  readonly events: string[] = [];
  /** Errors of the next starts, the first one first. `undefined` is a start that succeeds. */
  errors: (Error | undefined)[] = [];
  /** A stop waits for it. */
  stopping = Promise.resolve();
  restart = () => {};

  readonly start = async (each: Config, restart: () => void): Promise<Gateway> => {
    const number = this.configs.push(each);
    this.restart = restart;
    const error = this.errors.shift();
    if (error !== undefined) throw error;
    this.events.push(`start ${number}`);
    return {
      edgeUrl: `http://127.0.0.1:${PORTS["edge.listen"]}`,
      grpcUrl: `http://127.0.0.1:${PORTS["grpc.listen"]}`,
      adminUrl: `http://127.0.0.1:${PORTS["admin.listen"]}`,
      stop: async () => {
        await this.stopping;
        this.events.push(`stop ${number}`);
        return true;
      },
      reload: async (load) => {
        load();
        this.events.push(`reload ${number}`);
        return { kind: "reloaded", generation: 2, changed: [], rows: {}, needsRestart: [] };
      },
    };
  };
}

async function open(errors: (Error | undefined)[] = []) {
  const starts = new Starts();
  starts.errors = errors;
  return { starts, gateway: await RestartableGateway.start(config, starts.start, SILENT_LOG) };
}

const portTaken = () => new ListenError("the edge", { host: "127.0.0.1", port: 4001 }, new Error("in use"));

describe("a restartable gateway", () => {
  test("starts again on the same ports and with the same key", async () => {
    const { starts, gateway } = await open();
    await gateway.restart();
    const [first, second] = starts.configs;
    expect(second?.["edge.listen"]).toEqual({ host: "127.0.0.1", port: 4001 });
    expect(second?.["admin.listen"]).toEqual({ host: "127.0.0.1", port: 4003 });
    expect(second?.["grpc.listen"]).toEqual(config["grpc.listen"]);
    expect(first?.["keys.current"]).toMatch(/^[\w+/]{43}=$/);
    expect(second?.["keys.current"]).toBe(first?.["keys.current"] ?? "");
    expect(starts.events).toEqual(["start 1", "stop 1", "start 2"]);
  });

  test("keeps a configured key", async () => {
    const starts = new Starts();
    await RestartableGateway.start({ ...config, "keys.current_file": "current.key" }, starts.start, SILENT_LOG);
    expect(starts.configs[0]?.["keys.current"]).toBeUndefined();
  });

  test("concurrent restarts are one; a reload reaches the gateway that runs", async () => {
    const { starts, gateway } = await open();
    await Promise.all([gateway.restart(), gateway.restart()]);
    starts.restart();
    await until(() => starts.events.includes("start 3"), "the restart that the gateway asked for");
    await gateway.reload(() => config);
    expect(starts.events).toEqual(["start 1", "stop 1", "start 2", "stop 2", "start 3", "reload 3"]);
  });

  test("a restart applies the configuration of the latest reload, and keeps ports and key", async () => {
    const { starts, gateway } = await open();
    await gateway.reload(() => ({ ...config, "budgets.session.burst": 7 }));
    await gateway.restart();
    const [first, second] = starts.configs;
    expect(second).toMatchObject({ "budgets.session.burst": 7, "edge.listen": { host: "127.0.0.1", port: 4001 } });
    expect(second?.["keys.current"]).toBe(first?.["keys.current"] ?? "");
  });

  test("a stop waits for a restart, and ends restarts", async () => {
    const { starts, gateway } = await open();
    const held = Promise.withResolvers<void>();
    starts.stopping = held.promise;
    const restarted = gateway.restart();
    const stopped = gateway.stop();
    held.resolve();
    await Promise.all([restarted, stopped]);
    await gateway.restart();
    expect(starts.events).toEqual(["start 1", "stop 1", "start 2", "stop 2"]);
  });

  test("a port that is taken for a moment is tried again", async () => {
    const { starts, gateway } = await open([undefined, portTaken(), portTaken()]);
    await gateway.restart();
    expect(starts.events).toEqual(["start 1", "stop 1", "start 4"]);
  });

  test("another error ends it: `failed` rejects", async () => {
    const { gateway } = await open([undefined, new Error("no backend")]);
    await gateway.restart();
    await expect(gateway.failed).rejects.toThrow("no backend");
    expect(await gateway.stop()).toBe(true);
  });

  test("an error of the first start is the caller's", async () => {
    await expect(open([portTaken()])).rejects.toThrow(ListenError);
  });
});
