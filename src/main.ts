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

const USAGE = `usage: sallyport <command> [OPTION …]

  serve       start the gateway in front of your backend
  dev         start the gateway with an embedded backend, for development
  demo        run a demonstration with two clients, in a few seconds
  keygen      generate a signing key
  health      check that a gateway is alive, or ready
  reload      let a running gateway read its configuration again
  upgrade     replace the process of a running gateway by a new one
  config      check, print or describe the configuration
  routes      print the route table, or import one from OpenAPI
  version     print the versions of Sallyport and Bun

The client of a gateway:

  login       log in with a code from an e-mail
  call        send a signed command and print its verified answer
  listen      print verified events as they arrive
  whoami      show the profile's session, user, keys and clock
  logout      forget the profile's session and key
  completion  print the completion script of a shell

Use sallyport <command> --help for details. The client's exit codes are in sallyport call --help.`;

const HELP = ["--help", "-h"];
/**
 * Error messages quote an unknown command only if it matches this pattern. Other text may be a secret, such as the value of a
 * setting.
 */
const COMMAND_NAME = /^[A-Za-z_-]{1,20}$/;

async function main(all: readonly string[]): Promise<number> {
  // Checked before the help options, because the words to complete may contain `--help`.
  if (all[0] === "completion" && all[1] === "candidates") return (await import("./cli/completion.ts")).run(all.slice(1));
  const wantsHelp = all[0] === "help" || all.some((each) => HELP.includes(each));
  const [name = "", ...args] = wantsHelp ? all.filter((each) => each !== "help" && !HELP.includes(each)) : all;
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const loadClient = Object.hasOwn(CLIENT_COMMANDS, name) ? CLIENT_COMMANDS[name] : undefined;
  if (wantsHelp) {
    console.log((await (load ?? loadClient)?.())?.HELP ?? USAGE);
    return 0;
  }
  if (load !== undefined) {
    const signals = holdSignals();
    return (await load()).run(args, signals);
  }
  if (loadClient !== undefined) return (await loadClient()).run(args);
  const unknown = `there is no command${COMMAND_NAME.test(name) ? ` ${name}` : " of this name"}`;
  console.error(name === "" ? USAGE : `sallyport: ${unknown}\n${USAGE}`);
  return 2;
}

main(process.argv.slice(2)).then((code) => process.exit(code));
