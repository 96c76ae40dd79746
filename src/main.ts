import { ReloadSignals } from "./cli/signals.ts";

interface Command {
  /** The help text, with an example. */
  readonly HELP: string;
  /** Resolves with the exit code. */
  run(args: readonly string[], reloads: ReloadSignals): Promise<number>;
}

/**
 * Each command is imported when it runs. So the signal handlers are installed first, and `keygen` does not load the gateway.
 */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: () => import("./cli/serve.ts"),
  dev: () => import("./cli/dev.ts"),
  demo: () => import("./cli/demo.ts"),
  keygen: () => import("./cli/keygen.ts"),
  version: () => import("./cli/version.ts"),
  "--version": () => import("./cli/version.ts"),
};

const USAGE = `usage: sallyport <command> [--config FILE] [--set KEY=VALUE …]

  serve    start the gateway in front of your backend
  dev      start the gateway with an embedded backend, for development
  demo     run a demonstration with two clients, in a few seconds
  keygen   generate a signing key
  version  print the versions of Sallyport and Bun

Use sallyport <command> --help for details.`;

const HELP = ["--help", "-h"];
/** Error messages quote an unknown command only if it matches. Other text may be a secret, such as the value of a setting. */
const COMMAND_NAME = /^[A-Za-z_-]{1,20}$/;

async function main(all: readonly string[]): Promise<number> {
  const wantsHelp = all[0] === "help" || all.some((each) => HELP.includes(each));
  const [name = "", ...args] = wantsHelp ? all.filter((each) => each !== "help" && !HELP.includes(each)) : all;
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (wantsHelp) {
    console.log(load === undefined ? USAGE : (await load()).HELP);
    return 0;
  }
  if (load !== undefined) {
    const reloads = new ReloadSignals();
    return (await load()).run(args, reloads);
  }
  const unknown = `there is no command${COMMAND_NAME.test(name) ? ` ${name}` : " of this name"}`;
  console.error(name === "" ? USAGE : `sallyport: ${unknown}\n${USAGE}`);
  return 2;
}

main(process.argv.slice(2)).then((code) => process.exit(code));
