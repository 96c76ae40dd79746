import { type HeldSignals, holdSignals } from "./cli/signals.ts";

interface Command {
  /** The help text, with an example. */
  readonly HELP: string;
  /** Resolves with the exit code. */
  run(args: readonly string[], signals: HeldSignals): Promise<number>;
}

interface ClientCommand {
  readonly HELP: string;
  run(args: readonly string[]): Promise<number>;
}

/**
 * Each command is imported when it runs. So the signal handlers are installed before the import, and `keygen` does not load the
 * gateway.
 */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: () => import("./cli/serve.ts"),
  dev: () => import("./cli/dev.ts"),
  demo: () => import("./cli/demo.ts"),
  keygen: () => import("./cli/keygen.ts"),
  version: () => import("./cli/version.ts"),
  worker: () => import("./cli/worker.ts"),
  "--version": () => import("./cli/version.ts"),
};

/** Commands that get no signal handlers. SIGHUP ends such a command, because it has nothing to reload. */
const CLIENT_COMMANDS: Readonly<Record<string, () => Promise<ClientCommand>>> = {
  health: () => import("./cli/health.ts"),
  reload: () => import("./cli/reload.ts"),
  upgrade: () => import("./cli/upgrade.ts"),
  config: () => import("./cli/config.ts"),
  routes: () => import("./cli/routes.ts"),
  login: () => import("./cli/login.ts"),
  call: () => import("./cli/call.ts"),
  listen: () => import("./cli/listen.ts"),
  whoami: () => import("./cli/whoami.ts"),
  logout: () => import("./cli/logout.ts"),
  completion: () => import("./cli/completion.ts"),
};

const HELP = ["--help", "-h"];

async function main(all: readonly string[]): Promise<number> {
  // Checked before the help options, because the words to complete may contain `--help`.
  if (all[0] === "completion" && all[1] === "candidates") return (await import("./cli/completion.ts")).run(all.slice(1));
  const wantsHelp = all[0] === "help" || all.some((each) => HELP.includes(each));
  const [name = "", ...args] = wantsHelp ? all.filter((each) => each !== "help" && !HELP.includes(each)) : all;
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const loadClient = Object.hasOwn(CLIENT_COMMANDS, name) ? CLIENT_COMMANDS[name] : undefined;
  if (wantsHelp && (name === "" || name.startsWith("-") || load !== undefined || loadClient !== undefined)) {
    console.log((await (load ?? loadClient)?.())?.HELP ?? (await import("./cli/general-help.ts")).GENERAL_HELP);
    return 0;
  }
  if (load !== undefined) {
    const signals = holdSignals();
    return (await load()).run(args, signals);
  }
  if (loadClient !== undefined) return (await loadClient()).run(args);
  const { GENERAL_HELP, unknownCommand } = await import("./cli/general-help.ts");
  console.error(name === "" ? GENERAL_HELP : `sallyport: ${unknownCommand(name)}\n${GENERAL_HELP}`);
  return 2;
}

main(process.argv.slice(2)).then((code) => process.exit(code));
