import type { ClientCommandSpec } from "../arguments/spec.ts";
import { PROFILE, VERBOSE } from "./common.ts";

export const LOGIN: ClientCommandSpec = {
  name: "login",
  summary: "log in with a code from an e-mail, or by another call",
  positionals: [],
  about: `Logs in at a gateway with a code that the backend sends by e-mail. Creates a key for this device and stores it in the profile, in a
file that only you can read: $XDG_CONFIG_HOME/sallyport, else ~/.config/sallyport.

At a terminal it asks for the address and the code. In a script it takes two steps: --email prints the id of the challenge,
--challenge and --code complete the login.

Some gateways have other logins (public_routes with registers_key). --path calls one of them, and --guest calls the guest login.`,
  options: [
    { name: "url", value: "URL", about: "the gateway; default: the profile's, else http://127.0.0.1:8080" },
    { name: "email", value: "ADDRESS", about: "send a code to this address" },
    { name: "challenge", value: "ID", about: "complete this challenge; default: the one that --email started last" },
    { name: "code", value: "CODE", about: "the code of the e-mail" },
    { name: "code-from-stdin", about: "read the code from standard input" },
    { name: "guest", about: "log in as a guest: --path /api/v1/public/auth/guest" },
    { name: "path", value: "PATH", about: "log in by the call at this path of the gateway" },
    { name: "fields", value: "JSON", about: "the fields of that call: a JSON object, @FILE, or - for standard input" },
    { name: "key-algorithm", value: "NAME", about: "EdDSA (default) or ES256", completion: ["EdDSA", "ES256"] },
    { name: "metadata", value: "NAME=VALUE", about: "a text for the backend; repeatable", isRepeatable: true },
    PROFILE,
    VERBOSE,
  ],
  examples: [
    "sallyport login --url https://gateway.example",
    "sallyport login --email ada@example.com",
    "sallyport login --code 123456",
    "sallyport login --guest --profile visitor",
    "read-code-from-mailbox | sallyport login --email ada@example.com --code-from-stdin --profile ada",
  ],
};
