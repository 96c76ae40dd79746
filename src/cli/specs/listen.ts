import type { ClientCommandSpec } from "../arguments/spec.ts";
import { PROFILE, URL_OF_PROFILE, VERBOSE } from "./common.ts";

export const LISTEN: ClientCommandSpec = {
  name: "listen",
  summary: "print verified events as they arrive",
  positionals: [],
  about: `Subscribes to the events for this session, its user and all clients, and prints each verified event: a line of a table at a
terminal, a line of JSON elsewhere. It reconnects and resumes until Ctrl-C, but ends if the first attempt fails. Reports about the
connection go to standard error.`,
  options: [
    { name: "resume-after", value: "EVENT_ID", about: "start with the events after this one, if the gateway still has them" },
    { name: "count", value: "N", about: "end after N events" },
    { name: "timeout", value: "DURATION", about: "end after this time, with exit code 9 if --count was not reached" },
    {
      name: "types",
      value: "TYPE,…",
      about: "print only these types, such as chat.message or chat.*; * includes heartbeats",
      completion: "message-type",
    },
    URL_OF_PROFILE,
    PROFILE,
    VERBOSE,
  ],
  examples: [
    "sallyport listen",
    "sallyport listen --types 'chat.*' --count 10 | jq .payload",
    "sallyport listen --resume-after 0198f2ab-0000-7000-8000-000000000000",
  ],
};
