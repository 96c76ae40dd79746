import { createTelemetry } from "../app/telemetry.ts";
import { runWorker } from "../app/worker.ts";
import type { FromWorker, ToWorker } from "../workers/messages.ts";
import { playgroundEndpoints } from "./playground.ts";

export const HELP = `usage: sallyport worker

A worker process of \`sallyport serve\`. The gateway starts it by itself.`;

/** `sallyport worker`: a worker process. Only its supervisor controls it. The worker ends when the supervisor ends. */
export async function run(): Promise<number> {
  if (process.send === undefined) {
    console.error("sallyport: `worker` is started by `sallyport serve` only");
    return 2;
  }
  // A terminal sends its signals to all processes of the gateway. Only the supervisor handles them.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"] as const) process.on(signal, () => {});
  process.on("disconnect", () => process.exit(1));
  let flush = async () => {};
  const code = await runWorker({
    playgroundEndpoints,
    channel: {
      send: (message: FromWorker) => void process.send?.(message),
      onMessage: (receive) => void process.on("message", (message: ToWorker) => receive(message)),
    },
    createTelemetry(config, worker) {
      const telemetry = createTelemetry(config, { worker, pid: process.pid });
      flush = () => telemetry.log.flush();
      return telemetry;
    },
  });
  await flush();
  return code;
}
