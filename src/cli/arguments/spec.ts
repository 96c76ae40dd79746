/** How a shell completes a value: from a fixed list of words, or from all names of one kind, such as profiles. */
export type Completion = readonly string[] | "profile" | "message-type" | "setting" | "file";

export interface OptionSpec {
  /** The name of the option, without its dashes. */
  readonly name: string;
  /** The placeholder of the value in the help, such as `FILE`. Missing: the option takes no value. */
  readonly value?: string;
  readonly about: string;
  readonly isRepeatable?: boolean;
  readonly completion?: Completion;
}

export interface PositionalSpec {
  /** The placeholder of the argument in the help, such as `TYPE`. */
  readonly name: string;
  readonly isRequired: boolean;
  readonly completion?: Completion;
}

/** One command: what its parser accepts, what its help shows, and what a shell completes. */
export interface CommandSpec {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly positionals: readonly PositionalSpec[];
  readonly options: readonly OptionSpec[];
}

/** A command of the command line client, with the texts of its help. */
export interface ClientCommandSpec extends CommandSpec {
  /** The description of the command in its help. */
  readonly about: string;
  readonly examples: readonly string[];
}
