import type { ClientCommandSpec, CommandSpec, OptionSpec } from "./spec.ts";

/** The line of the help that names the arguments of a command. */
export function usageOf({ name, positionals, options }: CommandSpec): string {
  const places = positionals.map((each) => (each.isRequired ? each.name : `[${each.name}]`));
  return ["usage: sallyport", name, ...places, ...(options.length > 0 ? ["[OPTION …]"] : [])].join(" ");
}

/** The help of a command: usage, description, options, examples. */
export function helpOf(spec: ClientCommandSpec): string {
  const left = spec.options.map(nameOf);
  const width = Math.max(...left.map((each) => each.length), 0) + 3;
  const options = spec.options.map(({ about }, at) => `  ${(left[at] ?? "").padEnd(width)}${about}`);
  const examples = spec.examples.map((example) => `  ${example}`);
  const sections = [usageOf(spec), spec.about, options.join("\n"), ["Example:", "", ...examples].join("\n")];
  return sections.filter((section) => section !== "").join("\n\n");
}

function nameOf({ name, value }: OptionSpec): string {
  return value === undefined ? `--${name}` : `--${name} ${value}`;
}
