import { EVENT_PAYLOAD_BYTES_MAX } from "../../core/limits.ts";
import type { DropReason, ItemProblem } from "./push-event.ts";

const SESSION_ID_RULE = "expected 1 to 128 of A-Z, a-z, 0-9, '.', '_', '~', '-'";

const RULES: Partial<Record<DropReason, ItemProblem>> = {
  no_audience: { field: undefined, message: "expected user_id or device_session_id" },
  bad_user_id: { field: "user_id", message: "expected 1 to 256 visible ASCII characters" },
  bad_device_session_id: { field: "device_session_id", message: SESSION_ID_RULE },
  bad_event_type: { field: "event_type", message: "expected two or more words of a-z, 0-9 and '_', separated by dots" },
  reserved_event_type: { field: "event_type", message: "expected a type that does not start with gateway." },
  bad_event_id: { field: "event_id", message: "expected at most 128 visible ASCII characters" },
  payload_too_large: { field: "payload", message: `expected at most ${EVENT_PAYLOAD_BYTES_MAX} bytes` },
};

/** Returns the rule that a dropped message broke. If `RULES` has no entry for `reason`, `reason` is the text of the rule. */
export function problemOf(reason: DropReason): ItemProblem {
  return RULES[reason] ?? { field: undefined, message: reason };
}
