import { ReloadSignals } from "./cli/signals.ts";

interface Command {
  /** What it does and takes, with an example. */
  readonly HELP: string;
  /** Gives the exit code. */
  run(args: readonly string[], reloads: ReloadSignals): Promise<number>;
}

/** Loaded when they are asked for: signals are listened to before, and `keygen` needs no gateway. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: () => import("./cli/serve.ts"),
  dev: () => import("./cli/dev.ts"),
  demo: () => import("./cli/demo.ts"),
  keygen: () => import("./cli/keygen.ts"),
  version: () => import("./cli/version.ts"),
  "--version": () => import("./cli/version.ts"),
};

const USAGE = `usage: sallyport <command> [--config FILE] [--set KEY=VALUE …]

  serve    the gateway in front of your backend
  dev      the gateway with an embedded backend, to try things on
  demo     the whole story, played by itself in a few seconds
  keygen   a fresh signing key
  version  what runs here

sallyport <command> --help says more of each.`;

const HELP = ["--help", "-h"];
/** What was meant as a command. Anything else may be a setting's value, and so a secret. */
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
