import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { PushFeed } from "../../src/backend/feed/push-feed.ts";
import { openPushLink } from "../../src/backend/feed/push-transport.ts";
import { systemClock } from "../../src/core/clock.ts";
import { until } from "../support/until.ts";
import { RecordingLog, RecordingMetrics, RecordingSink } from "../unit/backend/support/recorders.ts";
import { goFeed, PREPARE_TIMEOUT_MS } from "./toolchain.ts";

const QUIET_MS = 180_000;

/** A backend's feed on grpc-go, in a process of its own. */
class GoFeed {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  #logged = "";
  readonly #logging: Promise<void>;

  private constructor(command: readonly string[]) {
    this.#child = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    this.#logging = this.#readLog();
  }

  static async start(command: readonly string[]): Promise<{ feed: GoFeed; url: string }> {
    const feed = new GoFeed(command);
    const { value } = await feed.#child.stdout.getReader().read();
    return { feed, url: `http://${new TextDecoder().decode(value).trim()}` };
  }

  /** One for each stream that a gateway has opened. */
  get subscriptions(): string[] {
    return [...this.#logged.matchAll(/subscribed from "(.*)"/g)].map(([, cursor = ""]) => cursor);
  }

  push(event: string): void {
    this.#child.stdin.write(`${event}\n`);
    this.#child.stdin.flush();
  }

  /** The process is there, and does nothing. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await Promise.all([this.#child.exited, this.#logging]);
  }

  async #readLog(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stderr) this.#logged += decoder.decode(chunk, { stream: true });
  }
}

async function openGateway(args: readonly string[] = [], pingIntervalMs?: number) {
  const program = await goFeed();
  const { feed: server, url } = await GoFeed.start([...program, ...args]);
  const [sink, metrics, log] = [new RecordingSink(), new RecordingMetrics(), new RecordingLog()];
  const feed = new PushFeed({
    ...{ link: openPushLink({ url, protocol: "grpc", log, pingIntervalMs }), gatewayId: "gateway-1", sink, metrics, log },
    ...{ backoffMinMs: 10, backoffMaxMs: 100, clock: systemClock, random: Math.random },
    onStateChange: (isUp) => sink.note(isUp ? "up" : "down"),
  });
  feed.start();
  const has = (entry: string) => sink.until((entries) => entries.includes(entry));
  await has("up");
  const close = () => Promise.all([feed.stop(), server.kill()]);
  return { server, feed, sink, log, has, close };
}
type Setting = Awaited<ReturnType<typeof openGateway>>;

/** Begins a quiet time beside whatever else runs; what it gives adds the tests that end it. */
export function quietFeedSuite(): () => void {
  let setting: Setting;
  let startedMs = 0;
  describe("a stock grpc-go feed", () => {
    test(
      "is up",
      async () => {
        setting = await openGateway();
        startedMs = performance.now();
        expect(setting.feed.isUp).toBe(true);
      },
      PREPARE_TIMEOUT_MS,
    );
  });
  return () => {
    describe("the stock grpc-go feed", () => {
      afterAll(() => setting.close());
      test(
        "was quiet for three minutes, and was never cut",
        async () => {
          await Bun.sleep(Math.max(0, startedMs + QUIET_MS - performance.now()));
          setting.server.push("after-three-minutes");
          await setting.has("event after-three-minutes");
          expect(setting.sink.entries).toEqual(["up", "event after-three-minutes"]);
          expect(setting.server.subscriptions).toEqual([""]);
          expect(setting.log.lines.join()).not.toContain("failed");
        },
        QUIET_MS + 20_000,
      );
    });
  };
}

/** What a backend on grpc-go does to the feed, and the feed to it. */
export function feedSuite(): void {
  let setting: Setting;
  beforeAll(() => goFeed(), PREPARE_TIMEOUT_MS);
  afterEach(async () => void (await setting.close()));

  test("pings more often than the server allows are refused, logged for what they are, and come less often", async () => {
    setting = await openGateway([], 50);
    await until(() => setting.log.lines.some((line) => line.includes("too_many_pings")), "the server to refuse");
    expect(setting.log.lines.find((line) => line.includes("too many pings"))).toContain('"next_ping_ms":100');
    setting.server.push("1");
    await setting.has("event 1");
  });

  test("a server that allows it is pinged as often as the gateway is told to", async () => {
    setting = await openGateway(["-min-time", "10ms"], 50);
    await Bun.sleep(1000);
    expect(setting.server.subscriptions).toHaveLength(1);
    expect(setting.sink.entries).toEqual(["up"]);
  });

  test("a process that hangs is noticed by the first ping", async () => {
    setting = await openGateway();
    const frozenMs = performance.now();
    setting.server.freeze();
    await setting.has("down");
    // 10 s of quiet, and 5 s for the answer.
    expect(performance.now() - frozenMs).toBeLessThan(20_000);
    expect(setting.log.lines.join()).toContain("did not answer a ping");
  }, 40_000);

  test("an event that the server cannot encode ends the stream again and again: then the feed goes on without it", async () => {
    setting = await openGateway();
    setting.server.push("1");
    await setting.has("event 1");
    setting.server.push("unencodable");
    await setting.has("gap");
    setting.server.push("3");
    await setting.has("event 3");
    expect(setting.sink.entries.filter((entry) => entry !== "up" && entry !== "down")).toEqual(["event 1", "gap", "event 3"]);
    expect(setting.server.subscriptions.at(-1)).toBe("");
  });
}
