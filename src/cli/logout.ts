import { helpOf } from "./arguments/help.ts";
import { runClientCommand } from "./client-command.ts";
import { EXIT } from "./exit-code.ts";
import { notLoggedIn } from "./session/session.ts";
import { LOGOUT } from "./specs/logout.ts";

export const HELP = helpOf(LOGOUT);

/** `sallyport logout`: deletes the session and its key from the profile. */
export function run(args: readonly string[]): Promise<number> {
  return runClientCommand(LOGOUT, args, async ({ profile, output }) => {
    const login = await profile.login();
    await profile.forgetPendingLogin();
    if (login === undefined) throw notLoggedIn(profile.name);
    await profile.forgetLogin();
    await output.record({ profile: profile.name, device_session_id: login.deviceSessionId, key: "deleted" });
    output.note("The session stays active at the backend until the backend revokes it. Nobody has its key any more.");
    return EXIT.done;
  });
}
