import { run as demo } from "./cli/demo.ts";
import { run as dev } from "./cli/dev.ts";
import { run as keygen } from "./cli/keygen.ts";
import { run as serve } from "./cli/serve.ts";
import { run as version } from "./cli/version.ts";

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  ...{ dev, demo, serve, keygen, version },
  "--version": version,
};

const USAGE = `usage: sallyport <command> [--config FILE] [--set KEY=VALUE …]

  serve    the gateway in front of your backend
  dev      the gateway with an embedded backend, to try things on
  demo     the whole story, played by itself in a few seconds
  keygen   a fresh signing key
  version  what runs here`;

const HELP = ["--help", "-h"];

async function main(all: readonly string[]): Promise<number> {
  const [name = "", ...args] = all;
  if (name === "help" || all.some((each) => HELP.includes(each))) {
    console.log(USAGE);
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command !== undefined) return command(args);
  console.error(name === "" ? USAGE : `sallyport: there is no command ${name}\n${USAGE}`);
  return 2;
}

main(process.argv.slice(2)).then((code) => process.exit(code));
