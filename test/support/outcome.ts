import { refusalOf } from "../../src/client/errors.ts";

/** The result of a call as one text: its result, the reason and scope of its refusal, or the text of any other error. */
export async function outcomeOf(call: () => Promise<string | undefined>): Promise<string> {
  try {
    return (await call()) ?? "";
  } catch (error) {
    const refusal = refusalOf(error);
    return refusal === undefined ? String(error) : [refusal.reason, refusal.metadata["scope"]].filter(Boolean).join(" ");
  }
}
