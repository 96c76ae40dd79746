import type { OptionSpec } from "../arguments/spec.ts";
import { EXIT_TEXTS } from "../exit-code.ts";

/** This file defines the options that several commands share. */

export const PROFILE: OptionSpec = {
  name: "profile",
  value: "NAME",
  about: "the profile; default: the variable SALLYPORT_PROFILE, else the profile default",
  completion: "profile",
};

export const VERBOSE: OptionSpec = {
  name: "verbose",
  about: "show the evidence of each check on standard error: envelope, hash, signing input, signature, key id",
};

export const URL_OF_PROFILE: OptionSpec = { name: "url", value: "URL", about: "the gateway; default: the profile's" };

export const SETTINGS: readonly OptionSpec[] = [
  { name: "config", value: "FILE", about: "a file with settings in TOML, YAML or JSON", completion: "file" },
  { name: "set", value: "KEY=VALUE", about: "one setting", isRepeatable: true, completion: "setting" },
];

/** The exit codes as a part of a help text. */
export const EXIT_CODES = ["Exit codes:", "", ...EXIT_TEXTS.map(([code, text]) => `  ${String(code).padEnd(5)}${text}`)].join(
  "\n",
);
