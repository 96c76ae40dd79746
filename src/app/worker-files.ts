import type { Identity } from "../backend/upstreams/credentials.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Prepared } from "../core/reload.ts";
import { type CheckedTls, changedTlsFiles } from "../transport/tls/tls-files.ts";
import { readIdentity } from "./listeners.ts";
import type { ReloadPart } from "./reload.ts";

/**
 * The last good contents of the TLS files and of the backend's credentials. The supervisor sends them in the start message.
 *
 * A worker reads the TLS files of Redis itself. It needs Redis to start, and each new connection reads these files again.
 */
export interface WorkerFiles {
  /** `undefined` if TLS is off. */
  readonly tls: CheckedTls | undefined;
  readonly backend: Identity;
}

/**
 * The supervisor's copy of the TLS files, for new workers. Reads the files again at an interval. While the files cannot be used,
 * their last good contents stay. The workers log such a problem, so this class does not.
 */
export class TlsCopy implements ReloadPart {
  readonly #clock: Clock;
  #config: Config;
  #current: CheckedTls | undefined;
  #timer: Timer;

  /** Throws `TlsFilesError` if a file cannot be read or used. */
  constructor(config: Config, clock: Clock) {
    this.#clock = clock;
    this.#config = config;
    this.#current = readIdentity(config, clock);
    this.#timer = this.#watch();
  }

  get current(): CheckedTls | undefined {
    return this.#current;
  }

  prepare(next: Config): Prepared {
    const current = readIdentity(next, this.#clock);
    return {
      commit: () => {
        this.stop();
        this.#config = next;
        this.#current = current;
        this.#timer = this.#watch();
      },
      changedFiles: changedTlsFiles(this.#current?.identity, current?.identity),
    };
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #watch(): Timer {
    return setInterval(() => this.#check(), this.#config["tls.reload_ms"]).unref();
  }

  #check(): void {
    try {
      this.#current = readIdentity(this.#config, this.#clock);
    } catch {
      // The last good contents stay in use.
    }
  }
}
