/**
 * The process of `BackendProcess`: the embedded backend. It loads, then waits for a message with its options before it listens. So the next
 * process can load while the previous one still runs.
 */
import { Database } from "bun:sqlite";
import { startDevBackend } from "../../src/dev/backend.ts";
import { type ForwardOptions, forward } from "./forwarder.ts";
import { SILENT_LOG } from "./silent-log.ts";

/** The message that makes the process listen. It is sent once. */
export interface OpenMessage {
  /** The path of a file. */
  readonly database: string;
  readonly restPort: number;
  readonly pushPort: number;
  /** Empties the push log at the start, as if it was kept in memory. Then the backend cannot resume from any cursor. */
  readonly forgetsLog: boolean;
  /** Publishes the push log to a private listener. */
  readonly forwardTo?: Pick<ForwardOptions, "publishUrl" | "token"> | undefined;
}

/** The message that the process sends as soon as it listens. */
export interface OpenedMessage {
  readonly restUrl: string;
  readonly pushUrl: string;
}

process.once("message", async ({ database, restPort, pushPort, forgetsLog, forwardTo }: OpenMessage) => {
  if (forgetsLog) forgetLog(database);
  const { restUrl, pushUrl } = await startDevBackend({
    restListen: { host: "127.0.0.1", port: restPort },
    pushListen: { host: "127.0.0.1", port: pushPort },
    database,
    log: SILENT_LOG,
  });
  if (forwardTo !== undefined) void forward({ ...forwardTo, pushUrl, positionFile: `${database}.forwarded` });
  process.send?.({ restUrl, pushUrl } satisfies OpenedMessage);
});

function forgetLog(file: string): void {
  using database = new Database(file, { strict: true });
  database.run("DELETE FROM push_log");
}
