/**
 * The embedded backend as a process of its own, for `BackendProcess`: it waits to be told to open, so that its start can be made ready while
 * the one before it still runs.
 */
import { Database } from "bun:sqlite";
import { startDevBackend } from "../../src/dev/backend.ts";

/** What the process is told, once. */
export interface Opening {
  /** A file. */
  readonly database: string;
  readonly restPort: number;
  readonly pushPort: number;
  /** Begins with an empty push log, as a backend does whose log is in memory: it cannot resume from any cursor. */
  readonly forgetsLog: boolean;
}

/** What the process says when it is open. */
export interface Opened {
  readonly restUrl: string;
  readonly pushUrl: string;
}

process.once("message", async ({ database, restPort, pushPort, forgetsLog }: Opening) => {
  if (forgetsLog) forgetLog(database);
  const { restUrl, pushUrl } = await startDevBackend({
    restListen: { host: "127.0.0.1", port: restPort },
    pushListen: { host: "127.0.0.1", port: pushPort },
    database,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  process.send?.({ restUrl, pushUrl } satisfies Opened);
});

function forgetLog(file: string): void {
  using database = new Database(file, { strict: true });
  database.run("DELETE FROM push_log");
}
