import type { ClientEvent } from "../../core/events.ts";
import { JsonTextError, scanJson } from "../../core/json-text.ts";
import { PUBLISH_BATCH_MAX } from "../../core/limits.ts";
import { RestError } from "../../core/rest-reply.ts";
import type { Revocation } from "../../core/sessions.ts";
import type { ItemProblem, PushStep } from "../feed/push-event.ts";
import { problemOf } from "../feed/push-rules.ts";
import { type ItemKind, readItem } from "./item-json.ts";

/** Thrown if events or revocations of a call break a rule. The whole call is then refused. */
export class InvalidItems extends Error {
  readonly problems: readonly (ItemProblem & { readonly index: number })[];

  constructor(problems: InvalidItems["problems"]) {
    super("the call has invalid items");
    this.problems = problems;
  }
}

/** Maximum number of problems in one reply. More would not help, because a bug often causes the same problem in every event. */
const PROBLEMS_MAX = 20;

/** Reads the body of `/publish`: one event, or `{"events": […]}`. Throws `InvalidItems` and `RestError`. */
export function readEvents(body: string): { readonly events: readonly ClientEvent[]; readonly isBatch: boolean } {
  const { steps, isBatch } = readBody(body, "event", "events");
  return { events: steps.flatMap((step) => (step.kind === "client_event" ? step.event : [])), isBatch };
}

/** Reads the body of `/revoke`: one revocation, or `{"revocations": […]}`. Throws `InvalidItems` and `RestError`. */
export function readRevocations(body: string): readonly Revocation[] {
  const { steps } = readBody(body, "revocation", "revocations");
  return steps.flatMap((step) => (step.kind === "session_invalidation" ? step.revocation : []));
}

function readBody(body: string, kind: ItemKind, listName: string) {
  const { sources, isBatch } = itemSources(body, listName);
  const steps = sources.map((source) => readItem(kind, source));
  const problems = steps.flatMap(problemsOf).slice(0, PROBLEMS_MAX);
  if (problems.length > 0) throw new InvalidItems(problems);
  return { steps, isBatch };
}

function problemsOf(step: PushStep, index: number) {
  return step.kind === "dropped" ? [{ index, ...(step.problem ?? problemOf(step.reason)) }] : [];
}

/** Returns the source text of each item in the list `listName`. A body without this list is itself the only item. */
function itemSources(body: string, listName: string): { readonly sources: readonly string[]; readonly isBatch: boolean } {
  let list: string | undefined;
  let fields = 0;
  scanOrRefuse(body, ({ name, source }) => {
    fields++;
    if (name === listName) list = source;
  });
  if (list === undefined) return { sources: [body], isBatch: false };
  if (fields > 1) throw new RestError("invalid_request", `a body with ${listName} has no other field`);
  if (!list.startsWith("[")) throw new RestError("invalid_request", `${listName} must be an array`);
  const sources: string[] = [];
  scanOrRefuse(list, ({ source }) => {
    if (sources.length >= PUBLISH_BATCH_MAX)
      throw new RestError("payload_too_large", `at most ${PUBLISH_BATCH_MAX} items in one call`);
    sources.push(source);
  });
  if (sources.length === 0) throw new RestError("invalid_request", `${listName} must not be empty`);
  return { sources, isBatch: true };
}

function scanOrRefuse(text: string, onChild: NonNullable<Parameters<typeof scanJson>[1]>): void {
  try {
    scanJson(text, onChild);
  } catch (thrown) {
    if (!(thrown instanceof JsonTextError)) throw thrown;
    const field = thrown.field === undefined ? "" : ` (${JSON.stringify(thrown.field.slice(0, 64))})`;
    throw new RestError("invalid_request", `${thrown.message}${field}`);
  }
}
