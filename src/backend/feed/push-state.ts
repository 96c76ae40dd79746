import type { Log, LogFields, Metrics } from "../../core/telemetry.ts";

export interface PushStateParts {
  /** Where the messages come from, for log lines. It holds no secrets. */
  readonly from: LogFields;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly onChange: (isUp: boolean) => void;
}

/** Whether a push source is up. Logs each change and sets the metric. */
export class PushState {
  readonly #parts: PushStateParts;
  #isUp = false;
  #hasBeenUp = false;

  constructor(parts: PushStateParts) {
    this.#parts = parts;
    parts.metrics.gauge("sallyport_push_feed_up", 0);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get hasBeenUp(): boolean {
    return this.#hasBeenUp;
  }

  /** With `isStopping`, the gateway itself stops the source. So the log level is info instead of warning. */
  set(isUp: boolean, isStopping: boolean): void {
    if (this.#isUp === isUp) return;
    this.#hasBeenUp ||= isUp;
    this.#isUp = isUp;
    const { from: source, log, metrics, onChange } = this.#parts;
    metrics.gauge("sallyport_push_feed_up", isUp ? 1 : 0);
    if (isUp) log.info("push feed up", source);
    else if (isStopping) log.info("push feed stopped", source);
    else log.warn("push feed down", source);
    onChange(isUp);
  }
}
