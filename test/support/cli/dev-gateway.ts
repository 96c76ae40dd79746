import { runCommand } from "../process.ts";
import { ANY_DEV_PORTS } from "../serve-settings.ts";
import { until } from "../until.ts";
import { codeFor } from "./log-in.ts";

/** `sallyport dev` in its own process, as a new user starts it. */
export interface DevGateway {
  readonly edgeUrl: string;
  readonly backendUrl: string;
  /** The code of the newest mail to this address. */
  codeFor(email: string): Promise<string>;
  post(path: string, body: object): Promise<void>;
  stop(): Promise<void>;
}

/** Tests log in more often than a person. */
const MANY_LOGINS = ["public_auth", "send_code", "confirm_code"].flatMap((name) => ["--set", `budgets.${name}.burst=1000`]);

export async function startDevGateway(): Promise<DevGateway> {
  const flags = [...ANY_DEV_PORTS, ...MANY_LOGINS];
  const command = runCommand(["dev", ...flags]);
  await until(() => command.stdout().includes("push feed up"), `the gateway to be up: ${command.stderr()}`);
  const urlOf = (name: string) => new RegExp(`^  ${name} +(\\S+)`, "m").exec(command.stdout())?.[1] ?? "";
  const [edgeUrl, backendUrl] = [urlOf("edge"), urlOf("backend")];
  return {
    edgeUrl,
    backendUrl,
    codeFor: (email) => codeFor(backendUrl, email),
    async post(path, body) {
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${backendUrl}${path}`, { method: "POST", body: JSON.stringify(body), headers });
      if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
    },
    async stop() {
      command.kill("SIGTERM");
      await command.exited;
    },
  };
}
