import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RedisClient } from "bun";
import type { Certificate } from "./certificates.ts";
import { freePorts } from "./free-ports.ts";

const BINARY = Bun.which("redis-server");

/** Why tests that need a Redis are skipped here; `undefined` where they are not. */
export const NO_REDIS = BINARY === null ? "redis-server is not installed (apt-get install redis-server)" : undefined;

export interface RedisOptions {
  /** More of `redis.conf`, as arguments: `["--requirepass", "x"]`. */
  readonly args?: readonly string[];
  /** Speaks TLS alone, with this certificate, and asks for one of its clients' where it is told to. */
  readonly tls?: { readonly own: Certificate; readonly clients?: Certificate };
  /** Of its process, besides what it inherits. */
  readonly env?: Readonly<Record<string, string>>;
  /** In cluster mode, as a cluster of its own. */
  readonly isCluster?: boolean;
}

/** A real Redis of the test's own, on a port that stays the same when it is killed and started again. Nothing survives a kill. */
export class TestRedis {
  readonly port: number;
  readonly #folder: string;
  readonly #args: readonly string[];
  readonly #tls: RedisOptions["tls"];
  readonly #env: RedisOptions["env"];
  #process: Bun.Subprocess<"ignore", "pipe", "pipe"> | undefined;

  private constructor([port = 0, busPort = 0]: readonly number[], folder: string, options: RedisOptions) {
    const { args = [], tls, env, isCluster = false } = options;
    this.port = port;
    this.#folder = folder;
    this.#args = [...args, ...(isCluster ? clusterArgs(busPort) : []), ...(tls === undefined ? [] : tlsArgs(port, tls))];
    this.#tls = tls;
    this.#env = env;
  }

  static async start(options: RedisOptions = {}): Promise<TestRedis> {
    const redis = new TestRedis(await freePorts(2), await mkdtemp(join(tmpdir(), "sallyport-redis-")), options);
    await redis.start();
    return redis;
  }

  get url(): string {
    return `${this.#tls === undefined ? "redis" : "rediss"}://127.0.0.1:${this.port}`;
  }

  /** How often gateways ask this server while something runs: by its own count of their commands, without those that scripts call. */
  async roundTripsOf(run: () => Promise<void>): Promise<number> {
    const before = await this.#roundTrips();
    await run();
    // Asking costs a HELLO of its own.
    return (await this.#roundTrips()) - before - 1;
  }

  async #roundTrips(): Promise<number> {
    const stats = String(await this.ask("INFO", "commandstats"));
    const calls = (command: string) => Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, "m").exec(stats)?.[1] ?? 0);
    const asked = ["evalsha", "eval", "script\\|load", "hello", "ping", "client\\|setinfo"];
    // Every second a gateway looks at the server, with the one script that reads a hash as a whole.
    return asked.reduce((sum, command) => sum + calls(command), 0) - calls("hgetall");
  }

  /** One command, over a connection of its own. */
  async ask(command: string, ...args: string[]): Promise<unknown> {
    const { own, clients = own } = this.#tls ?? {};
    const tls = own && { ca: own.certificate, cert: clients?.certificate, key: clients?.key };
    const client = new RedisClient(this.url, tls && { tls });
    try {
      return await client.send(command, args);
    } finally {
      client.close();
    }
  }

  async start(): Promise<void> {
    const fixed = [
      "--port",
      String(this.port),
      "--bind",
      "127.0.0.1",
      "--dir",
      this.#folder,
      "--save",
      "",
      "--appendonly",
      "no",
    ];
    const child = Bun.spawn([BINARY ?? "redis-server", ...fixed, ...this.#args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ...this.#env },
    });
    this.#process = child;
    await readyToAccept(child.stdout);
  }

  /** As a crash would end it. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
  }

  /** It keeps its connections, and answers nothing until it is resumed. */
  suspend(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A Redis with TLS asks its clients for certificates unless it is told not to. */
function tlsArgs(port: number, { own, clients }: NonNullable<RedisOptions["tls"]>): string[] {
  const files = ["--tls-cert-file", own.certificateFile, "--tls-key-file", own.keyFile];
  const authority = ["--tls-ca-cert-file", (clients ?? own).certificateFile];
  const wanted = ["--tls-auth-clients", clients === undefined ? "no" : "yes"];
  return ["--port", "0", "--tls-port", String(port), ...files, ...authority, ...wanted];
}

async function readyToAccept(stdout: ReadableStream<Uint8Array>): Promise<void> {
  const decoder = new TextDecoder();
  const reader = stdout.getReader();
  let said = "";
  while (!said.includes("Ready to accept connections")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`redis-server did not start: ${said}`);
    said += decoder.decode(value, { stream: true });
  }
  // Read on, or it blocks when the pipe is full.
  reader.releaseLock();
  void stdout.pipeTo(new WritableStream()).catch(() => {});
}

/** By itself a node's bus takes the port + 10000, which may be in use, or no port at all. */
function clusterArgs(busPort: number): string[] {
  return ["--cluster-enabled", "yes", "--cluster-port", String(busPort)];
}
