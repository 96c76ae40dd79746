import { SallyportClient } from "../../client/client.ts";
import type { Arguments } from "../arguments/parse.ts";
import type { ClientContext } from "../client-command.ts";
import type { OpenedLogin } from "../profile/profile.ts";
import { notLoggedIn } from "./failure-report.ts";
import { parseGatewayUrl } from "./gateway-url.ts";

/** The login of a profile, and a client that signs with its key. */
export interface Session {
  readonly login: OpenedLogin;
  readonly url: string;
  readonly client: SallyportClient;
}

/** Opens the session of the selected profile. Rejects with `CommandFailure` if there is no login. */
export async function openSession(context: ClientContext, args: Arguments): Promise<Session> {
  const { profile, fetch } = context;
  const login = await profile.login();
  if (login === undefined) throw notLoggedIn(profile.name);
  const given = args.value("url");
  const url = given === undefined ? login.url : parseGatewayUrl(given);
  context.url = url;
  const { deviceSessionId, deviceKey } = login.credentials;
  const credentials = { deviceSessionId, deviceKey: context.trace?.signing(deviceKey) ?? deviceKey };
  return { login, url, client: new SallyportClient({ baseUrl: url, credentials, fetch }) };
}
