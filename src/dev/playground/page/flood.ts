import type { Attempt } from "./attempt.ts";
import type { TamperParts } from "./tamper.ts";

/** Number of commands of the attack. It is above the default burst of a session. */
export const FLOOD_COMMANDS = 60;

/** Sends many commands at the same time. The attempt shows the first refusal, and how many commands were answered. */
export async function flood({ session, command }: TamperParts): Promise<Attempt> {
  const { messageType, payloadText } = command;
  const signed = await Promise.all(Array.from({ length: FLOOD_COMMANDS }, () => session.sign({ messageType, payloadText })));
  const attempts = await Promise.all(signed.map((each) => session.send(each)));
  const refused = attempts.filter(({ outcome }) => outcome.kind === "refused");
  const [shown = attempts[0]] = refused;
  if (shown === undefined) throw new Error("no command was sent");
  const answered = FLOOD_COMMANDS - refused.length;
  return { ...shown, lesson: `${answered} of ${FLOOD_COMMANDS} commands passed. The budget fills again at its rate.` };
}
