import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { PushFeed } from "../../src/backend/feed/push-feed.ts";
import { openPushLink } from "../../src/backend/feed/push-transport.ts";
import { systemClock } from "../../src/core/clock.ts";
import { until } from "../support/until.ts";
import { RecordingLog, RecordingMetrics, RecordingSink } from "../unit/backend/support/recorders.ts";
import { goFeed, PREPARE_TIMEOUT_MS } from "./toolchain.ts";

const QUIET_MS = 180_000;

/** The push feed on grpc-go, as a process. */
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

  /** The cursors of all streams that were opened so far. */
  get subscriptions(): string[] {
    return [...this.#logged.matchAll(/subscribed from "(.*)"/g)].map(([, cursor = ""]) => cursor);
  }

  push(event: string): void {
    this.#child.stdin.write(`${event}\n`);
    this.#child.stdin.flush();
  }

  /** Stops the process with SIGSTOP: its connections stay open. */
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
type Fixture = Awaited<ReturnType<typeof openGateway>>;

/** Starts a feed that stays quiet while the other suites run. Returns a function that adds the tests after the quiet time. */
export function quietFeedSuite(): () => void {
  let fixture: Fixture;
  let startedMs = 0;
  describe("a quiet grpc-go feed", () => {
    test(
      "connects",
      async () => {
        fixture = await openGateway();
        startedMs = performance.now();
        expect(fixture.feed.isUp).toBe(true);
      },
      PREPARE_TIMEOUT_MS,
    );
  });
  return () => {
    describe("the quiet grpc-go feed", () => {
      afterAll(() => fixture.close());
      test(
        "is still connected after three minutes without events",
        async () => {
          await Bun.sleep(Math.max(0, startedMs + QUIET_MS - performance.now()));
          fixture.server.push("after-three-minutes");
          await fixture.has("event after-three-minutes");
          expect(fixture.sink.entries).toEqual(["up", "event after-three-minutes"]);
          expect(fixture.server.subscriptions).toEqual([""]);
          expect(fixture.log.lines.join()).not.toContain("failed");
        },
        QUIET_MS + 20_000,
      );
    });
  };
}

/** The gateway's push feed against a backend on grpc-go. */
export function feedSuite(): void {
  let fixture: Fixture;
  beforeAll(() => goFeed(), PREPARE_TIMEOUT_MS);
  afterEach(async () => void (await fixture.close()));

  test("after too_many_pings the gateway logs the cause and doubles its ping interval", async () => {
    fixture = await openGateway([], 50);
    await until(() => fixture.log.lines.some((line) => line.includes("too_many_pings")), "the server to refuse the pings");
    expect(fixture.log.lines.find((line) => line.includes("push feed ping rate refused"))).toContain('"next_ping_ms":100');
    fixture.server.push("1");
    await fixture.has("event 1");
  });

  test("a server with a lower MinTime accepts frequent pings", async () => {
    fixture = await openGateway(["-min-time", "10ms"], 50);
    // Only time can show that the server accepts the pings. It would refuse one of the first ones.
    await Bun.sleep(1000);
    expect(fixture.server.subscriptions).toHaveLength(1);
    expect(fixture.sink.entries).toEqual(["up"]);
  });

  test("a hanging process is detected by the first ping", async () => {
    fixture = await openGateway();
    const frozenMs = performance.now();
    fixture.server.freeze();
    await fixture.has("down");
    // The ping interval is 10 s, and its answer may take 5 s.
    expect(performance.now() - frozenMs).toBeLessThan(20_000);
    expect(fixture.log.lines.join()).toContain("no answer to a ping in time");
  }, 60_000);

  test("after an event that the server cannot encode, the feed resubscribes without a cursor and reports a gap", async () => {
    fixture = await openGateway();
    fixture.server.push("1");
    await fixture.has("event 1");
    fixture.server.push("unencodable");
    await fixture.has("gap");
    fixture.server.push("3");
    await fixture.has("event 3");
    expect(fixture.sink.entries.filter((entry) => entry !== "up" && entry !== "down")).toEqual(["event 1", "gap", "event 3"]);
    expect(fixture.server.subscriptions.at(-1)).toBe("");
  });
}
