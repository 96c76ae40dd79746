import type { Config } from "../config/schema.ts";
import { KEEP_ANSWER_MS_ADVISED } from "../core/limits.ts";
import type { Log } from "../core/telemetry.ts";

/** A route whose answers are kept for a shorter time than clients repeat a command by default. */
export interface ShortAnswer {
  /** The index of the route in `routes`. */
  readonly index: number;
  readonly messageType: string;
  readonly keepAnswerMs: number;
}

export function shortAnswers({ routes }: Pick<Config, "routes">): readonly ShortAnswer[] {
  return routes.flatMap(({ message_type: messageType, keep_answer_ms: keepAnswerMs }, index) =>
    keepAnswerMs === undefined || keepAnswerMs >= KEEP_ANSWER_MS_ADVISED ? [] : [{ index, messageType, keepAnswerMs }],
  );
}

/** Logs a warning for each route that `shortAnswers` returns. */
export function warnOfShortAnswers(config: Pick<Config, "routes">, log: Log): void {
  for (const { messageType, keepAnswerMs } of shortAnswers(config)) {
    log.warn("answers kept for less than the retries of clients", {
      message_type: messageType,
      keep_answer_ms: keepAnswerMs,
      expected_min_ms: KEEP_ANSWER_MS_ADVISED,
    });
  }
}
