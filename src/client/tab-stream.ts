import type { Connectivity } from "./connectivity.ts";
import { deferred } from "./deferred.ts";
import type { EventProgress } from "./event-progress.ts";
import { silenceMsOf } from "./heartbeat-watch.ts";
import { StreamCatchUp } from "./stream-catch-up.ts";
import type { StreamTiming } from "./stream-timing.ts";
import type { Receiver, Source, StateDetail, SubscriptionEvent, SubscriptionState } from "./subscription-event.ts";
import { isTabMessage, type TabMessage } from "./tab-message.ts";

export interface TabStreamParts {
  /** The name of the lock and of the `BroadcastChannel`. It is the same in all tabs of one session. */
  readonly name: string;
  readonly locks: Pick<LockManager, "request">;
  readonly createChannel: (name: string) => BroadcastChannel;
  readonly timing: StreamTiming;
  readonly connectivity: Connectivity;
  /** Opens a stream for this tab alone. */
  readonly openStream: (progress: EventProgress, receiver: Receiver) => Source;
}

/** Maximum time until the leading tab answers the message `hello`, in ms. */
const WELCOME_MS = 2000;
/** Maximum silence of the leading tab, in ms. It applies until a stream has announced the heartbeat interval. */
const SILENCE_MS = 60_000;
/**
 * The additional time, in ms, for which the other tabs wait before they treat silence as a failure. So the leading tab notices
 * the silence first.
 */
const LEADER_MS = 10_000;

/**
 * Shares one stream between the tabs of one session. The tab that holds the lock leads: it has the stream, and sends each
 * verified event to the other tabs. When the leading tab closes, the browser gives the lock to another tab, which resumes the
 * stream.
 *
 * A tab that missed an event opens its own stream. It closes this stream when it has the last event of the leading tab.
 *
 * A tab trusts the messages of other tabs, because code of the same origin can use the device key anyway.
 */
export class TabStream implements Source {
  readonly #progress: EventProgress;
  readonly #receiver: Receiver;
  readonly #parts: TabStreamParts;
  readonly #channel: BroadcastChannel;
  readonly #catchUp: StreamCatchUp;
  readonly #closed = new AbortController();
  #stream: Source | undefined;
  #release: (() => void) | undefined;
  #lastId: string | undefined;
  #leaderId: string | undefined;
  #silenceMs = SILENCE_MS;
  #cancelTimer: () => void = () => {};

  constructor(progress: EventProgress, receiver: Receiver, parts: TabStreamParts) {
    this.#progress = progress;
    this.#receiver = receiver;
    this.#parts = parts;
    this.#lastId = progress.position?.eventId;
    this.#catchUp = new StreamCatchUp(progress.position === undefined);
    this.#channel = parts.createChannel(parts.name);
  }

  start(): void {
    const { name, locks } = this.#parts;
    const { signal } = this.#closed;
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (!signal.aborted && isTabMessage(data)) this.#receive(data);
    };
    locks.request(name, { signal }, () => this.#lead()).catch(() => this.#openOwn());
    // A leading tab in the background can be frozen. So a tab that becomes visible checks whether the leading tab answers.
    const unwatch = this.#parts.connectivity.watch((change) => {
      if (change === "visible" && this.#stream === undefined) this.#greet();
    });
    signal.addEventListener("abort", unwatch);
    this.#greet();
  }

  #greet(): void {
    this.#send({ kind: "hello" });
    this.#expectLeader(WELCOME_MS);
  }

  close(): void {
    this.#closed.abort();
    this.#cancelTimer();
    this.#stream?.close();
    this.#channel.close();
    this.#release?.();
  }

  get #isLeader(): boolean {
    return this.#release !== undefined;
  }

  /** Called when this tab gets the lock. The browser holds the lock until the returned promise resolves. */
  async #lead(): Promise<void> {
    const { promise, resolve } = deferred();
    this.#release = resolve;
    this.#openOwn();
    this.#sendPosition();
    await promise;
  }

  /** Opens this tab's own stream, which resumes after this tab's last event. */
  #openOwn(): void {
    this.#cancelTimer();
    if (this.#stream !== undefined || this.#closed.signal.aborted) return;
    const receiver = { event: (event: SubscriptionEvent) => this.#streamed(event), state: this.#streamState };
    this.#stream = this.#parts.openStream(this.#progress, receiver);
    this.#stream.start();
  }

  #streamed(event: SubscriptionEvent): void {
    const after = this.#lastId;
    this.#catchUp.saw(event);
    this.#deliver(event);
    if (this.#isLeader) this.#send({ kind: "event", after, event, isBehind: !this.#catchUp.isDone });
    else this.#followIfCaughtUp();
  }

  readonly #streamState = (state: SubscriptionState, detail: StateDetail): void => {
    if (state !== "live" && this.#lastId !== undefined) this.#catchUp.restart();
    if (this.#isLeader && state !== "ended") this.#send({ kind: "state", state });
    this.#receiver.state(state, detail);
    if (state === "ended") this.close();
  };

  #receive(message: TabMessage): void {
    if (this.#isLeader) {
      if (message.kind === "hello") this.#sendPosition();
      return;
    }
    if (message.kind === "hello") return;
    if (message.kind === "position") this.#silenceMs = message.silenceMs;
    if (this.#stream === undefined) this.#expectLeader(this.#silenceMs + LEADER_MS);
    if (message.kind === "event") this.#follow(message);
    else if (message.kind === "position") this.#startAt(message);
    else if (this.#stream === undefined) this.#receiver.state(message.state, { transport: "tab" });
  }

  /** Takes an event from the leading tab. If this tab missed an earlier event, opens its own stream instead. */
  #follow({ event, after, isBehind }: TabMessage & { kind: "event" }): void {
    this.#leaderId = event.eventId;
    if (this.#stream !== undefined) {
      this.#followIfCaughtUp();
      return;
    }
    const isNext = this.#lastId === undefined ? !isBehind : after !== undefined && this.#progress.hasReceived(after);
    if (!isNext) this.#openOwn();
    else if (this.#progress.adopt(event)) this.#deliver(event);
  }

  /**
   * If this tab has no position, takes the position of the leading tab. Opens its own stream if this tab is behind the leading
   * tab, or if the leading tab delivers events from before the start of this tab.
   */
  #startAt({ position, isBehind }: TabMessage & { kind: "position" }): void {
    this.#leaderId = position?.eventId;
    if (this.#stream !== undefined) this.#followIfCaughtUp();
    if (this.#stream !== undefined || position === undefined) return;
    if (this.#lastId === undefined && !isBehind) {
      this.#progress.startAt(position);
      this.#lastId = position.eventId;
    }
    if (!this.#progress.hasReceived(position.eventId)) this.#openOwn();
    else this.#receiver.state("live", { transport: "tab" });
  }

  #followIfCaughtUp(): void {
    if (this.#leaderId === undefined || this.#leaderId !== this.#lastId) return;
    this.#stream?.close();
    this.#stream = undefined;
    this.#expectLeader(this.#silenceMs + LEADER_MS);
    this.#receiver.state("live", { transport: "tab" });
  }

  #deliver(event: SubscriptionEvent): void {
    this.#lastId = event.eventId;
    if (event.eventType === "gateway.server_time") this.#silenceMs = silenceMsOf(event);
    this.#receiver.event(event);
  }

  #expectLeader(ms: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#parts.timing.after(ms, () => this.#openOwn());
  }

  #sendPosition(): void {
    const position = this.#lastId === undefined ? undefined : this.#progress.position;
    this.#send({ kind: "position", position, silenceMs: this.#silenceMs, isBehind: !this.#catchUp.isDone });
  }

  #send(message: TabMessage): void {
    if (!this.#closed.signal.aborted) this.#channel.postMessage(message);
  }
}
