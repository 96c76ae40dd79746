import { join } from "node:path";
import type { OpenedMessage, OpenMessage } from "./backend-main.ts";

export interface BackendProcessOptions {
  /** The path of a file. It keeps the backend's state across restarts. */
  readonly database: string;
  /** If true, each restart empties the push log. */
  readonly forgetsLog: boolean;
  /** Publishes the push log to a private listener, in place of a gRPC stream. */
  readonly forwardTo?: OpenMessage["forwardTo"];
}

/** The embedded backend in its own process. It can be killed and restarted on the same ports. */
export class BackendProcess {
  readonly restUrl: string;
  readonly pushUrl: string;
  readonly #options: BackendProcessOptions;
  #running: Process;
  /** The next process, already loaded, so that a restart is fast and the outage can be short. */
  #next = new Process();

  private constructor(options: BackendProcessOptions, running: Process, { restUrl, pushUrl }: OpenedMessage) {
    this.#options = options;
    this.#running = running;
    this.restUrl = restUrl;
    this.pushUrl = pushUrl;
  }

  static async start(options: BackendProcessOptions): Promise<BackendProcess> {
    const first = new Process();
    const opened = await first.open({ ...options, forgetsLog: false, restPort: 0, pushPort: 0 });
    return new BackendProcess(options, first, opened);
  }

  /** Sends SIGKILL. Resolves when the process has exited. */
  kill(): Promise<void> {
    return this.#running.kill();
  }

  async restart(): Promise<void> {
    const [restPort, pushPort] = [this.restUrl, this.pushUrl].map((url) => Number(new URL(url).port));
    this.#running = this.#next;
    this.#next = new Process();
    await this.#running.open({ ...this.#options, restPort: restPort ?? 0, pushPort: pushPort ?? 0 });
  }

  /** Calls `act` with another backend process on the same database. The gateway is not connected to that process. */
  async changeState(act: (restUrl: string) => Promise<void>): Promise<void> {
    const { database } = this.#options;
    const other = new Process();
    const { restUrl } = await other.open({ database, forgetsLog: false, restPort: 0, pushPort: 0 });
    await act(restUrl);
    await other.kill();
  }

  async close(): Promise<void> {
    await Promise.all([this.#running.kill(), this.#next.kill()]);
  }
}

class Process {
  readonly #opened = Promise.withResolvers<OpenedMessage>();
  readonly #child = Bun.spawn([process.execPath, join(import.meta.dir, "backend-main.ts")], {
    stdout: "ignore",
    stderr: "inherit",
    ipc: (opened: OpenedMessage) => this.#opened.resolve(opened),
    onExit: (_, code) => this.#opened.reject(new Error(`the backend ended with ${code}`)),
  });

  open(message: OpenMessage): Promise<OpenedMessage> {
    this.#child.send(message);
    return this.#opened.promise;
  }

  async kill(): Promise<void> {
    this.#opened.promise.catch(() => {});
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}
