import type { SubscriptionEvent } from "../client/subscription-event.ts";
import { isEventId } from "../core/grammar.ts";
import { helpOf } from "./arguments/help.ts";
import type { Arguments } from "./arguments/parse.ts";
import { parseDuration, UsageError } from "./arguments/parse.ts";
import { type ClientContext, runClientCommand } from "./client-command.ts";
import { ConnectionNotes } from "./connection-notes.ts";
import { EventPrinter } from "./event-printer.ts";
import { CommandFailure, EXIT } from "./exit-code.ts";
import { openSession } from "./session/profile-session.ts";
import { LISTEN } from "./specs/listen.ts";
import { TypeFilter } from "./type-filter.ts";

export const HELP = helpOf(LISTEN);

const COUNT_MAX = 1_000_000_000;

interface ListenRequest {
  readonly filter: TypeFilter;
  readonly resumeAfter: string | undefined;
  /** The number of events after which the command ends. */
  readonly count: number;
  readonly timeoutMs: number | undefined;
}

/** `sallyport listen`: prints verified events until Ctrl-C, `--count` or `--timeout`. */
export function run(args: readonly string[]): Promise<number> {
  return runClientCommand(LISTEN, args, async (context, parsed) => {
    const request = checked(parsed);
    const { client } = await openSession(context, parsed);
    const timeout = request.timeoutMs === undefined ? undefined : AbortSignal.timeout(request.timeoutMs);
    const signal = timeout === undefined ? context.signal : AbortSignal.any([context.signal, timeout]);
    const events = client.subscribe({ resumeAfter: request.resumeAfter, signal, gatewayEvents: true });
    const connection = new ConnectionNotes(context, () => events.close());
    events.onState((state, detail) => connection.note(state, detail));
    const isComplete = await printEvents(context, request, events);
    if (connection.firstFailure !== undefined) throw connection.firstFailure;
    if (!isComplete && timeout?.aborted && !context.signal.aborted && Number.isFinite(request.count))
      throw new CommandFailure(EXIT.timeout, "--timeout ended the wait before --count was reached");
    return EXIT.done;
  });
}

function checked(args: Arguments): ListenRequest {
  const resumeAfter = args.value("resume-after");
  if (resumeAfter !== undefined && !isEventId(resumeAfter))
    throw new UsageError("--resume-after must be the event_id of an event");
  const timeout = args.value("timeout");
  return {
    resumeAfter,
    filter: new TypeFilter(args.value("types")),
    count: countOf(args.value("count")),
    timeoutMs: timeout === undefined ? undefined : parseDuration("timeout", timeout),
  };
}

function countOf(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (/^[1-9]\d{0,9}$/.test(text) && Number(text) <= COUNT_MAX) return Number(text);
  throw new UsageError(`--count must be a number from 1 to ${COUNT_MAX}`);
}

/** Resolves to true when `count` events were printed. Resolves to false if the subscription is closed earlier. */
async function printEvents(
  { output, trace }: ClientContext,
  { filter, count }: ListenRequest,
  events: AsyncIterable<SubscriptionEvent>,
): Promise<boolean> {
  const printer = new EventPrinter(output);
  let printed = 0;
  for await (const event of events) {
    trace?.event(event);
    if (!filter.accepts(event)) continue;
    await printer.print(event);
    printed++;
    if (printed >= count) return true;
  }
  return false;
}
