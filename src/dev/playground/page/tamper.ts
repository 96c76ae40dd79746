import type { KeyAlgorithm } from "../../../client/index.ts";
import type { Attempt } from "./attempt.ts";
import type { Command, DeviceSession } from "./device-session.ts";
import { messageOf } from "./message-of.ts";

export interface TamperParts {
  readonly session: DeviceSession;
  /** The command in the editor. */
  readonly command: Command;
  /** The algorithms of device keys that a login may register. */
  readonly algorithms: readonly KeyAlgorithm[];
}

/** An attack that a button of the page starts. */
export interface Tamper {
  readonly id: string;
  readonly title: string;
  /** What the attacker does, in one sentence. */
  readonly deed: string;
  /** Why the attack fails, in plain words. */
  readonly lesson: string;
  /** Where the attack must fail: the number of a check, or `answer` for the client's verification of the answer. */
  readonly caughtBy: number | "answer";
  /** True if the attack logs in a second session. The page then reads the login code from the embedded backend. */
  readonly needsDev?: boolean;
  run(parts: TamperParts): Promise<Attempt>;
}

/** Runs an attack. The attempt has a lesson only if the attack failed at the place that `caughtBy` names. */
export async function runTamper(tamper: Tamper, parts: TamperParts): Promise<Attempt> {
  const attempt = await tamper.run(parts).catch((error: unknown) => failedAttempt(parts.command, error));
  const { title, deed, caughtBy } = tamper;
  const lesson = isCaughtBy(attempt, caughtBy) ? (attempt.lesson ?? tamper.lesson) : undefined;
  return { ...attempt, title, deed, lesson };
}

function isCaughtBy({ outcome }: Attempt, place: Tamper["caughtBy"]): boolean {
  return outcome.kind === "refused" ? outcome.check === place : outcome.kind === "distrusted" && place === "answer";
}

/** Returns an attempt that shows why an attack could not run, for example because the attacker's login was refused. */
function failedAttempt({ messageType, payloadText }: Command, error: unknown): Attempt {
  const text = messageOf(error);
  const nothing = { signed: undefined, exchange: undefined };
  return { title: "", messageType, payloadText, atMs: Date.now(), ...nothing, outcome: { kind: "failed", text } };
}
