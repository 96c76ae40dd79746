import { type Command, runCommand, runExecutable } from "./process.ts";
import { ANY_DEV_PORTS } from "./serve-settings.ts";
import { until } from "./until.ts";

/** `sallyport dev` in its own process, on free ports. */
export interface DevProcess {
  readonly edgeUrl: string;
  readonly backendUrl: string;
  readonly adminUrl: string;
  /** The standard output so far. */
  logged(): string;
  /** Stops it with SIGTERM. Resolves to the exit code. */
  stop(): Promise<number>;
}

/** `settings` are flags, such as `edge.grpc=own-port`. */
export function startDevProcess(...settings: string[]): Promise<DevProcess> {
  return upAndRunning(runCommand(devArguments(settings)));
}

/** As `startDevProcess`, of a compiled executable. */
export function startDevExecutable(path: string, ...settings: string[]): Promise<DevProcess> {
  return upAndRunning(runExecutable(path, devArguments(settings)));
}

function devArguments(settings: readonly string[]): string[] {
  return ["dev", ...ANY_DEV_PORTS, ...settings.flatMap((each) => ["--set", each])];
}

async function upAndRunning(command: Command): Promise<DevProcess> {
  await until(() => command.stdout().includes("push feed up"), `sallyport dev to be up: ${command.stderr()}`);
  const url = (name: string) => new RegExp(`^  ${name} +(https?://\\S+)`, "m").exec(command.stdout())?.[1] ?? "";
  return {
    edgeUrl: url("edge"),
    backendUrl: url("backend"),
    adminUrl: url("admin"),
    logged: command.stdout,
    stop() {
      command.kill("SIGTERM");
      return command.exited;
    },
  };
}
