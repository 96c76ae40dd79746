import type { ClientCommandSpec } from "../arguments/spec.ts";
import { SETTINGS } from "./common.ts";

export const UPGRADE: ClientCommandSpec = {
  name: "upgrade",
  summary: "replace the process of a running gateway by a new one",
  positionals: [],
  about: `Asks the admin listener of a running gateway to start the executable and the configuration as they are on disk now. When the new
process is ready, the old one drains. If the new process does not become ready, the old one continues. SIGUSR2 does the same.
Prints the path of the executable that was started. A link in the path, or in the folder of the start, is followed again.
Run it on the host of the gateway. Without --url, it asks at admin.listen of the configuration. Linux only.

With --workers, the supervisor stays: the new workers run its executable and its configuration, even if both have changed on disk.

Exit codes: 0 if the new process has taken over; 1 if it has not, and why is printed; 2 if the command line or the configuration
is wrong.`,
  options: [
    { name: "workers", about: "replace only the worker processes, one after the other; nothing on disk is read again" },
    { name: "url", value: "URL", about: "the admin listener, such as http://127.0.0.1:8082" },
    {
      name: "timeout",
      value: "DURATION",
      about: "give up waiting after this time, such as 30s; the upgrade goes on; default: 5m",
    },
    ...SETTINGS,
  ],
  examples: ["sallyport upgrade --config gateway.toml", "sallyport upgrade --url http://127.0.0.1:8082"],
};
