import type { ClientCommandSpec } from "../arguments/spec.ts";
import { PROFILE, URL_OF_PROFILE, VERBOSE } from "./common.ts";

export const WHOAMI: ClientCommandSpec = {
  name: "whoami",
  summary: "show the profile's session, user, keys and clock",
  positionals: [],
  about: `Shows who the gateway knows you as. A signed request and its verified answer give the user and the error of this computer's
clock. A positive clock_offset_ms: this computer's clock is ahead of the gateway's.`,
  options: [{ name: "offline", about: "show only what the profile holds" }, URL_OF_PROFILE, PROFILE, VERBOSE],
  examples: ["sallyport whoami", "sallyport whoami --profile ada | jq -r .user_id"],
};
