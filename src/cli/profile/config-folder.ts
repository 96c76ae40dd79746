import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { ClientEnvironment } from "../environment.ts";

/** Returns the client's configuration folder. Ignores a relative `XDG_CONFIG_HOME` (XDG Base Directory Specification). */
export function configFolder({ xdgConfigHome, home }: Pick<ClientEnvironment, "xdgConfigHome" | "home">): string {
  const base = xdgConfigHome !== undefined && isAbsolute(xdgConfigHome) ? xdgConfigHome : join(home ?? homedir(), ".config");
  return join(base, "sallyport");
}
