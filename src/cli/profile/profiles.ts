import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { PROFILE_VARIABLE } from "../../config/variables.ts";
import { UsageError } from "../arguments/parse.ts";
import type { ClientEnvironment } from "../environment.ts";
import { Profile, profilesFolder } from "./profile.ts";

/** Names of profiles are names of folders. So they contain no dots and no slashes. */
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const DEFAULT_NAME = "default";

/**
 * Returns the profile that `option` (`--profile`) names. Without `option`, the variable `SALLYPORT_PROFILE` names the profile. The
 * default name is `default`. Throws `UsageError` if the name is invalid.
 */
export function selectProfile(option: string | undefined, environment: ClientEnvironment): Profile {
  const name = option ?? environment.profile ?? DEFAULT_NAME;
  const source = option === undefined ? PROFILE_VARIABLE : "--profile";
  if (!NAME.test(name)) throw new UsageError(`${source} must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -`);
  return new Profile(name, configFolder(environment));
}

/** The names of all profiles, sorted. */
export function profileNames(environment: ClientEnvironment): string[] {
  try {
    return readdirSync(profilesFolder(configFolder(environment)))
      .filter((name) => NAME.test(name))
      .sort();
  } catch {
    // The folder does not exist before the first login.
    return [];
  }
}

/** Returns the client's configuration folder. Ignores a relative `XDG_CONFIG_HOME` (XDG Base Directory Specification). */
function configFolder({ xdgConfigHome, home }: Pick<ClientEnvironment, "xdgConfigHome" | "home">): string {
  const base = xdgConfigHome !== undefined && isAbsolute(xdgConfigHome) ? xdgConfigHome : join(home ?? homedir(), ".config");
  return join(base, "sallyport");
}
