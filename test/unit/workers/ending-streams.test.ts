import { describe, expect, test } from "bun:test";
import type { Admission } from "../../../src/hub/admission.ts";
import { spread } from "../../../src/hub/spread.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { FakeSink } from "../hub/support/fake-sink.ts";
import { createHub, event, localStreams } from "../hub/support/hub-fixture.ts";
import { SimulatedWorker } from "./support/simulated-worker.ts";

/** The streams and polls of a worker that was replaced, while the hub in the supervisor goes on. */

const OUTBOX = { bytesMax: 1_000_000, messagesMax: 1000 };
const POLL = { codec: "proto", protocol: "connect", eventsMax: 10, bytesMax: 100_000, waitMs: 3_600_000 } as const;

function open() {
  const fixture = createHub({ outbox: OUTBOX });
  const worker = new SimulatedWorker({ hub: localStreams(fixture), outbox: OUTBOX, clock: fixture.clock });
  const admission = (deviceSessionId: string): Admission => ({
    ...{ deviceSessionId, userId: "u-1", peerNetwork: "192.0.2.1", requestId: `request-of-${deviceSessionId}` },
    ...{ mark: fixture.revocations.mark(), resumeAfter: undefined },
  });
  const subscribe = async (session: string) => {
    const sink = new FakeSink();
    const registered = worker.streams.register(admission(session), sink).then(
      () => "opened",
      (refusal) => String(refusal.reason),
    );
    await worker.deliverAll();
    return { sink, outcome: await registered };
  };
  const poll = (session: string) => worker.streams.poll(admission(session), POLL, new AbortController().signal);
  return { ...fixture, worker, subscribe, poll };
}

describe("a worker that was replaced", () => {
  test("ends its oldest streams first; the hub goes on with the others", async () => {
    const { hub, worker, subscribe, streams } = open();
    const opened = [await subscribe("s-1"), await subscribe("s-2"), await subscribe("s-3")];
    expect(worker.link.beginEnd()).toBe(3);
    worker.link.endStreams(2);
    hub.publish(event({ userId: "u-1", eventId: "e-1" }));
    await worker.deliverAll();
    expect(opened.map(({ sink }) => sink.ends)).toEqual([["SHUTTING_DOWN"], ["SHUTTING_DOWN"], []]);
    expect(opened.map(({ sink }) => sink.frames.length)).toEqual([1, 1, 2]);
    expect(streams()).toBe(1);
  });

  test("answers waiting polls without a refusal, and later ones without a wait; refuses later streams", async () => {
    const { worker, subscribe, poll } = open();
    const waiting = poll("s-1");
    await worker.deliverAll();
    worker.link.endAll();
    const late = poll("s-2");
    const answers = [waiting, late].map((answer) => answer.then(({ frames }) => frames.length));
    for (let turn = 0; turn < 5; turn++) {
      await worker.deliverAll();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await Promise.all(answers)).toEqual([1, 1]);
    expect((await subscribe("s-3")).outcome).toBe("SHUTTING_DOWN");
  });
});

test("after a pause of the process, the streams that are late do not end in one instant", async () => {
  const clock = new ManualClock();
  const steps: number[] = [];
  const streams = { beginEnd: () => 4000, endStreams: (count: number) => void steps.push(count) };
  const sleep = async (ms: number) => clock.advance(steps.length === 20 ? 1000 : ms);
  await spread(streams, 8000, { clock, sleep });
  const ended = steps.reduce((sum, count) => sum + count, 0);
  expect(ended).toBeWithin(3970, 4001);
  // 4000 streams in 8 s are 12.5 a step. The step after the pause is due 500.
  expect(Math.max(...steps)).toBeWithin(50, 71);
});

test("streams end evenly over the spread, even if the timer is late", async () => {
  const clock = new ManualClock();
  const ends: number[] = [];
  const streams = {
    beginEnd: () => 1000,
    endStreams: (count: number) => void ends.push(...Array<number>(count).fill(clock.monotonic())),
  };
  const startedMs = clock.monotonic();
  const sleep = async (ms: number) => clock.advance(ms * 4);
  expect(await spread(streams, 4000, { clock, sleep })).toBe(1000);
  const perSecond = [0, 1, 2, 3].map((second) => ends.filter((ms) => Math.floor((ms - startedMs) / 1000) === second).length);
  for (const count of perSecond) expect(count).toBeWithin(200, 300);
});
