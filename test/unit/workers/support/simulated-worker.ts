import type { EventStreams } from "../../../../src/hub/event-streams.ts";
import type { OutboxLimits } from "../../../../src/hub/outbox.ts";
import type { FromWorker, ToWorker } from "../../../../src/workers/messages.ts";
import { RemoteStreams } from "../../../../src/workers/remote-streams.ts";
import { WorkerStreams } from "../../../../src/workers/worker-streams.ts";
import type { ManualClock } from "../../../support/manual-clock.ts";

/** Enough microtasks for a message to have all its effects. */
const MICROTASKS = 12;

export interface SimulatedWorkerParts {
  /** The streams of the supervisor's hub. */
  readonly hub: EventStreams;
  readonly outbox: OutboxLimits;
  readonly clock: ManualClock;
  /** Called for a message that is not about streams. */
  readonly onMessage?: (message: ToWorker) => void;
}

/**
 * A worker and its supervisor's end, with the real code of both. Messages are copied as between processes, and wait until the test
 * delivers them.
 */
export class SimulatedWorker {
  readonly streams: RemoteStreams;
  /** The supervisor's end. */
  readonly link: WorkerStreams;
  readonly toSupervisor: FromWorker[] = [];
  readonly toWorker: ToWorker[] = [];
  readonly #deferred: (() => void)[] = [];
  readonly #onMessage: (message: ToWorker) => void;

  constructor({ hub, outbox, clock, onMessage = () => {} }: SimulatedWorkerParts) {
    this.#onMessage = onMessage;
    this.streams = new RemoteStreams({
      send: (message) => void this.toSupervisor.push(structuredClone(message)),
      ...{ outbox, clock },
      random: () => 0.5,
      onDropped: () => {},
    });
    this.link = new WorkerStreams({
      streams: hub,
      send: (message) => void this.toWorker.push(structuredClone(message)),
      defer: (work) => void this.#deferred.push(work),
    });
  }

  /** Ends the supervisor's turn of the event loop: sends the frames that it has collected. */
  endTurn(): void {
    for (const work of this.#deferred.splice(0)) work();
  }

  /** Delivers the oldest message to the supervisor. */
  async deliverUp(): Promise<void> {
    const message = this.toSupervisor.shift();
    if (message !== undefined) this.link.receive(message);
    await settle();
  }

  /** Delivers the oldest message to the worker. */
  async deliverDown(): Promise<void> {
    const message = this.toWorker.shift();
    if (message !== undefined && !this.streams.receive(message)) this.#onMessage(message);
    await settle();
  }

  /** Delivers all messages, those that they cause included. */
  async deliverAll(): Promise<void> {
    for (;;) {
      await settle();
      this.endTurn();
      if (this.toSupervisor.length > 0) await this.deliverUp();
      else if (this.toWorker.length > 0) await this.deliverDown();
      else return;
    }
  }

  /** Kills the worker: its messages that are in flight are lost, and the supervisor notices its end. */
  kill(): void {
    this.toSupervisor.length = 0;
    this.toWorker.length = 0;
    this.link.close();
  }
}

async function settle(): Promise<void> {
  for (let n = 0; n < MICROTASKS; n++) await Promise.resolve();
}
