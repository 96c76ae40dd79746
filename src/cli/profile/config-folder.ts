import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { ClientEnvironment } from "../environment.ts";

/** Returns the client's configuration folder. A relative `XDG_CONFIG_HOME` is ignored, as the XDG Base Directory Specification requires. */
export function configFolder({ xdgConfigHome, home }: Pick<ClientEnvironment, "xdgConfigHome" | "home">): string {
  const base = xdgConfigHome !== undefined && isAbsolute(xdgConfigHome) ? xdgConfigHome : join(home ?? homedir(), ".config");
  return join(base, "sallyport");
}
