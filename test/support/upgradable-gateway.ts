import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConfigKey } from "../../src/config/schema.ts";
import { type DevBackend, startDevBackend } from "../../src/dev/backend.ts";
import { FaultBackend } from "./fault-backend.ts";
import { ROOMY_BUDGETS } from "./gateway-process.ts";
import { runCommand } from "./process.ts";
import { SILENT_LOG } from "./silent-log.ts";
import { until } from "./until.ts";
import type { TlsTrust } from "./variants.ts";
import { type Device, fetchOver, login } from "./world.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");
const ANY_PORT = { host: "127.0.0.1", port: 0 };
const ROUTES = [
  { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" },
  { message_type: "chat.message.send", method: "POST", path: "/api/v1/user/rooms/{room_id}/messages", keep_answer_ms: 600_000 },
];

/** The backend is in the process of the test, which can be slow on a loaded machine. */
const PATIENT = { "backend.timeout_ms": "20000", "backend.session_timeout_ms": "20000" };

type Settings = Readonly<Partial<Record<ConfigKey, string>>>;

export interface UpgradableOptions {
  readonly tls?: TlsTrust | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** A path for a symbolic link to the folder of the gateway. The gateway is then started in the link, as by `cd` in a shell. */
  readonly link?: string;
}

/** How `sallyport upgrade` ended. */
export interface UpgradeResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Line {
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** `sallyport serve`, and the processes that replace it, with an embedded backend. */
export class UpgradableGateway {
  readonly backend: DevBackend;
  readonly faults: FaultBackend;
  readonly folder: string;
  readonly edgeUrl: string;
  readonly grpcUrl: string;
  readonly adminUrl: string;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #output: { readonly out: string; readonly err: string };
  readonly #done: Promise<unknown>;
  readonly #tls: TlsTrust | undefined;
  #settings: Settings;
  #people = 0;

  private constructor(parts: {
    backend: DevBackend;
    faults: FaultBackend;
    folder: string;
    child: Bun.Subprocess<"ignore", "pipe", "pipe">;
    output: { readonly out: string; readonly err: string };
    done: Promise<unknown>;
    tls: TlsTrust | undefined;
    started: Line;
    settings: Settings;
  }) {
    this.#settings = parts.settings;
    this.backend = parts.backend;
    this.faults = parts.faults;
    this.folder = parts.folder;
    this.#child = parts.child;
    this.#output = parts.output;
    this.#done = parts.done;
    this.#tls = parts.tls;
    this.edgeUrl = String(parts.started["edge"]);
    this.grpcUrl = String(parts.started["grpc"]);
    this.adminUrl = String(parts.started["admin"]);
  }

  /** The settings are in a file that a test may change: `configure`. */
  static async start(settings: Settings = {}, { tls, env = {}, link }: UpgradableOptions = {}): Promise<UpgradableGateway> {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-upgrade-"));
    const backend = await startDevBackend({
      restListen: ANY_PORT,
      pushListen: ANY_PORT,
      database: ":memory:",
      log: SILENT_LOG,
    });
    const faults = new FaultBackend(backend);
    const all: Settings = {
      ...{ "edge.listen": "127.0.0.1:0", "grpc.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0" },
      ...{ "backend.url": faults.url, "push.url": backend.pushUrl },
      ...ROOMY_BUDGETS,
      ...PATIENT,
      ...{ "streams.per_session_max": "1000", "streams.per_user_max": "1000", "streams.per_network_max": "10000" },
      ...{ "keys.current": Buffer.alloc(32, 1).toString("base64"), "shutdown.drain_ms": "0", "shutdown.spread_ms": "300" },
      routes: JSON.stringify(ROUTES),
      "workers.count": "1",
      ...settings,
    };
    await writeSettings(folder, all);
    // The executable is named by a link, as a deployment may do it.
    symlinkSync(process.execPath, join(folder, "sallyport"));
    if (link !== undefined) symlinkSync(folder, link);
    const cwd = link ?? folder;
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("SALLYPORT_"));
    const child = Bun.spawn(["./sallyport", MAIN, "serve", "--config", "settings.json"], {
      cwd,
      env: { ...Object.fromEntries(inherited), PWD: cwd, ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    const output = { out: "", err: "" };
    const done = Promise.all([
      read(child.stdout, (text) => {
        output.out += text;
      }),
      read(child.stderr, (text) => {
        output.err += text;
      }),
    ]);
    const started = () => linesOf(output.out).find(({ msg }) => msg === "gateway started");
    const isUp = () => started() !== undefined && output.out.includes("push feed up");
    await until(() => isUp() || child.exitCode !== null, "the start", 60_000);
    if (!isUp()) throw new Error(`the gateway did not start: ${output.err}`);
    const more = { started: started() ?? { msg: "" }, settings: all };
    return new UpgradableGateway({ backend, faults, folder, child, output, done, tls, ...more });
  }

  /** The process that serves. */
  get pid(): number {
    const replaced = this.lines("gateway replaced by successor").at(-1);
    return replaced === undefined ? this.#child.pid : Number(replaced["successor_pid"]);
  }

  /** Resolves to the exit code of the first process. */
  get firstExited(): Promise<number> {
    return this.#child.exited;
  }

  /** The log lines of all processes with this message. */
  lines(msg: string): Line[] {
    return linesOf(this.#output.out).filter((line) => line.msg === msg);
  }

  stderr(): string {
    return this.#output.err;
  }

  /** Runs `sallyport upgrade`. */
  async upgrade(...args: string[]): Promise<UpgradeResult> {
    const before = this.lines("gateway replaced by successor").length;
    const command = runCommand(["upgrade", "--url", this.adminUrl, ...args]);
    const code = await command.exited;
    if (code === 0 && args.length === 0)
      await until(() => this.lines("gateway replaced by successor").length > before, "the log line of the upgrade");
    return { code, out: command.stdout(), err: command.stderr() };
  }

  /** Upgrades, and waits until the old process has ended. */
  async upgraded(): Promise<void> {
    const before = this.lines("predecessor ended").length;
    const result = await this.upgrade();
    if (result.code !== 0) throw new Error(`the upgrade failed: ${result.err}${this.#output.out}`);
    await until(() => this.lines("predecessor ended").length > before, "the end of the old process", 45_000);
  }

  /** Replaces the workers one after the other. */
  async replacedWorkers(): Promise<void> {
    const result = await this.upgrade("--workers");
    if (result.code !== 0) throw new Error(`the replacement failed: ${result.err}${this.#output.out}`);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Changes settings in the file. The running process does not read it again. */
  async configure(settings: Settings): Promise<void> {
    this.#settings = { ...this.#settings, ...settings };
    await writeSettings(this.folder, this.#settings);
  }

  /** The settings in the file. */
  get settings(): Settings {
    return this.#settings;
  }

  /** Replaces all settings in the file. */
  async replaceSettings(settings: Settings): Promise<void> {
    this.#settings = settings;
    await writeSettings(this.folder, settings);
  }

  login(email = `person-${this.#people++}@example.com`): Promise<Device> {
    return login(this.edgeUrl, this.backend.restUrl, email, fetchOver(this.#tls));
  }

  async push({ userId }: Device, n: number): Promise<void> {
    const body = JSON.stringify({ user_id: userId, event_type: "test.number", payload: { n } });
    await fetch(`${this.backend.restUrl}/dev/push`, { method: "POST", headers: { "content-type": "application/json" }, body });
  }

  /** Stops the gateway and the backend. */
  async close(): Promise<void> {
    try {
      this.signal("SIGTERM");
    } catch {
      // It has ended already.
    }
    await this.#done;
    await Promise.all([this.faults.stop(), this.backend.stop()]);
    rmSync(this.folder, { recursive: true });
  }
}

function writeSettings(folder: string, settings: Settings): Promise<number> {
  const values = Object.entries(settings).map(([key, text]) => [key, parsedValue(text)]);
  return Bun.write(join(folder, "settings.json"), JSON.stringify(Object.fromEntries(values)), { mode: 0o600 });
}

/** A number, a list or a boolean in a file is no text. */
function parsedValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function read(stream: ReadableStream<Uint8Array>, onText: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) onText(decoder.decode(chunk, { stream: true }));
}

function linesOf(text: string): Line[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line));
}
