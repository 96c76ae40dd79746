import { PROFILE_VARIABLE } from "../config/variables.ts";

export function processEnvironment(): Record<string, string | undefined> {
  return process.env;
}

/** The environment variables that the command line client reads. */
export interface ClientEnvironment {
  /** The name of the profile: `SALLYPORT_PROFILE`. */
  readonly profile: string | undefined;
  readonly xdgConfigHome: string | undefined;
  readonly home: string | undefined;
  /** True if `NO_COLOR` is set (no-color.org), or the terminal cannot show colours. */
  readonly isColourOff: boolean;
}

export function clientEnvironment(env: Readonly<Record<string, string | undefined>> = process.env): ClientEnvironment {
  return {
    profile: env[PROFILE_VARIABLE] || undefined,
    xdgConfigHome: env["XDG_CONFIG_HOME"] || undefined,
    home: env["HOME"] || undefined,
    isColourOff: Boolean(env["NO_COLOR"]) || env["TERM"] === "dumb",
  };
}
