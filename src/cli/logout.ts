import { helpOf } from "./arguments/help.ts";
import { runClientCommand } from "./client-command.ts";
import { EXIT } from "./exit-code.ts";
import { PrivateFileError } from "./profile/private-file.ts";
import { notLoggedIn } from "./session/failure-report.ts";
import { LOGOUT } from "./specs/logout.ts";

export const HELP = helpOf(LOGOUT);

/** `sallyport logout`: deletes the session and its key from the profile. */
export function run(args: readonly string[]): Promise<number> {
  return runClientCommand(LOGOUT, args, async ({ profile, output }) => {
    const login = await profile.login().catch(problemOf);
    await profile.forgetPendingLogin();
    if (login === undefined) throw notLoggedIn(profile.name);
    await profile.forgetLogin();
    const isRead = !(login instanceof PrivateFileError);
    await output.record({
      profile: profile.name,
      device_session_id: isRead ? login.deviceSessionId : null,
      key: "deleted",
    });
    if (!isRead) output.note(`The deleted file could not be used. ${login.message}`);
    else output.note("Only the backend can revoke the session; until then, it is active there. Nobody has its key any more.");
    return EXIT.done;
  });
}

/** Returns `error` if it is a `PrivateFileError`: `logout` then deletes the unusable login file. Throws any other error. */
function problemOf(error: unknown): PrivateFileError {
  if (error instanceof PrivateFileError) return error;
  throw error;
}
