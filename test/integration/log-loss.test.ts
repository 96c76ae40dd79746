import { describe, test } from "bun:test";
import { join } from "node:path";
import { freePorts } from "../support/free-ports.ts";
import { until } from "../support/until.ts";

/** Log lines that cannot be written are counted in the metrics, by `serve` and by `dev`. */

const MAIN = join(import.meta.dir, "../../src/main.ts");
const LOST = "sallyport_log_lines_dropped_total";
const LISTENERS = ["edge", "grpc", "admin"] as const;
const SERVE = [
  ...["--set", `keys.current=${Buffer.alloc(32, 1).toString("base64")}`],
  ...["--set", "backend.url=http://127.0.0.1:1", "--set", "push.url=http://127.0.0.1:1"],
];
const DEV = ["--set", "dev.backend_listen=127.0.0.1:0", "--set", "dev.push_listen=127.0.0.1:0"];

describe.each([
  ["serve", SERVE],
  ["dev", DEV],
] as const)("%s", (command, settings) => {
  test.each([
    ["a full disk", 'exec "$0" "$@" > /dev/full'],
    ["a closed pipe", '"$0" "$@" | true'],
  ])("lines lost by %s are counted", async (_, shell) => {
    const ports = await freePorts(LISTENERS.length);
    const listen = LISTENERS.flatMap((name, at) => ["--set", `${name}.listen=127.0.0.1:${ports[at]}`]);
    const [edge, , admin] = ports;
    const child = Bun.spawn(["bash", "-c", shell, process.execPath, MAIN, command, ...listen, ...settings], {
      stdout: "ignore",
      stderr: "ignore",
      detached: true,
    });
    try {
      const lost = async () => {
        const text = await fetch(`http://127.0.0.1:${admin}/metrics`).then(
          (answer) => answer.text(),
          () => "",
        );
        return Number(new RegExp(`^${LOST} (\\d+)$`, "m").exec(text)?.[1] ?? -1);
      };
      await until(async () => (await lost()) > 0, "the lost lines of the start to be counted");
      const before = await lost();
      for (let at = 0; at < 10; at++) await fetch(`http://127.0.0.1:${edge}/.well-known/jwks.json`);
      await until(async () => (await lost()) >= before + 10, "the lost line of each call to be counted");
    } finally {
      process.kill(-child.pid, "SIGKILL");
      await child.exited;
    }
  });
});
