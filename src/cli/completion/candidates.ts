import type { CommandSpec, Completion, OptionSpec } from "../arguments/spec.ts";
import { type ClientEnvironment, clientEnvironment } from "../environment.ts";
import { profileNames, selectProfile } from "../profile/profiles.ts";
import { ALL_COMMANDS } from "../specs/all.ts";

/** One possible completion of a word, with a description for shells that show descriptions. */
export interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** The candidates for one word. If `isFile` is true, the shell completes file names. */
export interface Candidates {
  readonly words: readonly Candidate[];
  readonly isFile: boolean;
}

const NONE: Candidates = { words: [], isFile: false };
const HELP: OptionSpec = { name: "help", about: "show the help" };

/** Returns the candidates for the last word of `words`. `words` is the command line without the word `sallyport`. */
export async function candidatesFor(words: readonly string[], environment = clientEnvironment()): Promise<Candidates> {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const [first, ...rest] = before;
  if (first === undefined || first === "help") return startingWith(current, commandNames(first === "help"));
  const command = ALL_COMMANDS.find(({ name }) => name === first);
  if (command === undefined) return NONE;
  return argumentOf(command, rest, current, environment);
}

async function argumentOf(
  command: CommandSpec,
  before: readonly string[],
  current: string,
  environment: ClientEnvironment,
): Promise<Candidates> {
  const awaiting = optionAwaitingValue(command, before);
  if (awaiting !== undefined) return valuesOf(awaiting.completion, current, before, environment);
  const [, inlineName, inlineValue = ""] = /^--([a-z-]+)=(.*)$/s.exec(current) ?? [];
  const inline = command.options.find(({ name }) => name === inlineName);
  if (inline !== undefined) {
    const values = await valuesOf(inline.completion, inlineValue, before, environment);
    return { ...values, words: values.words.map(({ word, about }) => ({ word: `--${inline.name}=${word}`, about })) };
  }
  if (current.startsWith("-")) return startingWith(current, optionNames(command, before));
  const positional = command.positionals[countPositionals(command, before)];
  return positional === undefined ? NONE : valuesOf(positional.completion, current, before, environment);
}

function commandNames(isHelp: boolean): Candidate[] {
  const names = ALL_COMMANDS.map(({ name, summary }) => ({ word: name, about: summary }));
  return isHelp ? names : [...names, { word: "help", about: "show the help of a command" }];
}

/** Returns the options that can still be added: options that `before` does not contain, and repeatable options. */
function optionNames(command: CommandSpec, before: readonly string[]): Candidate[] {
  const isGiven = (name: string) => before.some((word) => word === `--${name}` || word.startsWith(`--${name}=`));
  const open = [...command.options, HELP].filter(({ name, isRepeatable }) => isRepeatable || !isGiven(name));
  return open.map(({ name, about }) => ({ word: `--${name}`, about }));
}

function optionAwaitingValue(command: CommandSpec, before: readonly string[]): OptionSpec | undefined {
  const last = before.at(-1);
  return command.options.find(({ name, value }) => value !== undefined && last === `--${name}`);
}

function countPositionals(command: CommandSpec, before: readonly string[]): number {
  return before.filter((word, at) => {
    const isValue = optionAwaitingValue(command, before.slice(0, at)) !== undefined;
    return !isValue && (word === "-" || !word.startsWith("-"));
  }).length;
}

async function valuesOf(
  completion: Completion | undefined,
  current: string,
  before: readonly string[],
  environment: ClientEnvironment,
): Promise<Candidates> {
  if (completion === undefined) return NONE;
  if (completion === "file") return { words: [], isFile: true };
  return startingWith(current, await namesOf(completion, before, environment));
}

async function namesOf(
  completion: Exclude<Completion, "file">,
  before: readonly string[],
  environment: ClientEnvironment,
): Promise<Candidate[]> {
  if (completion === "profile") return plain(profileNames(environment));
  if (completion === "message-type") return plain(await selectProfile(profileIn(before), environment).messageTypes());
  if (completion !== "setting") return plain(completion);
  const { CONFIG_KEYS, SCHEMA } = await import("../../config/schema.ts");
  return CONFIG_KEYS.map((key) => ({ word: `${key}=`, about: SCHEMA[key].doc }));
}

function plain(words: readonly string[]): Candidate[] {
  return words.map((word) => ({ word, about: "" }));
}

function profileIn(words: readonly string[]): string | undefined {
  const at = words.indexOf("--profile");
  if (at >= 0) return words[at + 1];
  return words.find((word) => word.startsWith("--profile="))?.slice("--profile=".length);
}

function startingWith(current: string, candidates: readonly Candidate[]): Candidates {
  return { words: candidates.filter(({ word }) => word.startsWith(current)), isFile: false };
}
