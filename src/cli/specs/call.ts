import type { ClientCommandSpec } from "../arguments/spec.ts";
import { EXIT_CODES, PROFILE, URL_OF_PROFILE, VERBOSE } from "./common.ts";

export const CALL: ClientCommandSpec = {
  name: "call",
  summary: "send a signed command and print its verified answer",
  positionals: [
    { name: "TYPE", isRequired: true, completion: "message-type" },
    { name: "JSON|@FILE|-", isRequired: false, completion: "file" },
  ],
  about: `Signs a command with the key of the profile, sends it, verifies the answer, and prints the answer's JSON. The payload is the
argument itself, a file (@FILE) or standard input (-). Without one, the payload is empty. It is sent byte for byte.

With --idempotency-key, a command whose answer was lost is tried again. It runs once on routes with keep_answer_ms, or if the
backend honours Idempotency-Key.

${EXIT_CODES}`,
  options: [
    { name: "idempotency-key", value: "KEY", about: "the same key in each attempt makes a retry safe; see above" },
    { name: "timeout", value: "DURATION", about: "give up after this time, such as 500ms or 5s; default: 15s" },
    { name: "raw-payload", about: "send any bytes, for a route with raw payloads; without it, the payload must be JSON" },
    { name: "raw", about: "print the answer's payload byte for byte, without a line break" },
    { name: "full", about: "print result_code, request_id, timestamp_ms, key_id, replayed and payload as one object" },
    URL_OF_PROFILE,
    PROFILE,
    VERBOSE,
  ],
  examples: [
    "sallyport call user.profile.get",
    `sallyport call user.profile.update '{"display_name":"Ada"}'`,
    "sallyport call user.profile.update @profile.json --timeout 5s",
    "sallyport call files.put @photo.png --raw-payload",
    'jq -n \'{room_id:"lobby",text:"Hello"}\' | sallyport call chat.message.send - --idempotency-key hello-0001',
  ],
};
