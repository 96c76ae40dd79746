import type { ClientCommandSpec } from "../arguments/spec.ts";
import { PROFILE, VERBOSE } from "./common.ts";

export const LOGOUT: ClientCommandSpec = {
  name: "logout",
  summary: "forget the profile's session and key",
  positionals: [],
  about: `Deletes the session and its private key from the profile. The contract has no call by which a device ends its own session: the
session stays active at the backend until the backend revokes it, but nobody has its key any more.`,
  options: [PROFILE, VERBOSE],
  examples: ["sallyport logout", "sallyport logout --profile ada"],
};
