import { join } from "node:path";
import type { Opened, Opening } from "./backend-main.ts";

export interface BackendProcessOptions {
  /** A file: what the backend knows when it starts again. */
  readonly database: string;
  /** Whether its push log is empty at each start. */
  readonly forgetsLog: boolean;
}

/** The embedded backend in a process of its own, that is killed and started again on the same ports. */
export class BackendProcess {
  readonly restUrl: string;
  readonly pushUrl: string;
  readonly #options: BackendProcessOptions;
  #running: Process;
  /** The next one, loaded and waiting: a start is then as short as an outage may be. */
  #next = new Process();

  private constructor(options: BackendProcessOptions, running: Process, { restUrl, pushUrl }: Opened) {
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

  /** With SIGKILL; resolves when it is dead. */
  kill(): Promise<void> {
    return this.#running.kill();
  }

  async restart(): Promise<void> {
    const [restPort, pushPort] = [this.restUrl, this.pushUrl].map((url) => Number(new URL(url).port));
    this.#running = this.#next;
    this.#next = new Process();
    await this.#running.open({ ...this.#options, restPort: restPort ?? 0, pushPort: pushPort ?? 0 });
  }

  /** While it is dead, another process of the backend's does something to its state, out of the gateway's sight. */
  async elsewhere(act: (restUrl: string) => Promise<void>): Promise<void> {
    const other = new Process();
    const { restUrl } = await other.open({ ...this.#options, forgetsLog: false, restPort: 0, pushPort: 0 });
    await act(restUrl);
    await other.kill();
  }

  async close(): Promise<void> {
    await Promise.all([this.#running.kill(), this.#next.kill()]);
  }
}

class Process {
  readonly #opened = Promise.withResolvers<Opened>();
  readonly #child = Bun.spawn([process.execPath, join(import.meta.dir, "backend-main.ts")], {
    stdout: "ignore",
    stderr: "inherit",
    ipc: (opened: Opened) => this.#opened.resolve(opened),
    onExit: (_, code) => this.#opened.reject(new Error(`the backend ended with ${code}`)),
  });

  open(opening: Opening): Promise<Opened> {
    this.#child.send(opening);
    return this.#opened.promise;
  }

  async kill(): Promise<void> {
    this.#opened.promise.catch(() => {});
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}
