import { expect, test } from "bun:test";
import type { AnswerClaim } from "../../../src/core/answers.ts";
import { ClaimInFlight } from "../../../src/stores/claim-in-flight.ts";
import { type ClaimAttempt, waitForClaim } from "../../../src/stores/claim-wait.ts";

const REPLY = { resultCode: "ok", payloadBytes: new Uint8Array([1]) };
const WAIT_MS = 10_000;

function busyWith(claim: ClaimInFlight) {
  return { kind: "busy", end: () => claim.end() } as const;
}

/** A claim that records how it ended. */
function recordedClaim(): { readonly claim: AnswerClaim; readonly ends: string[] } {
  const ends: string[] = [];
  const record = (end: string) => {
    ends.push(end);
    return true;
  };
  return { claim: { keep: () => record("keep"), release: () => void record("release") }, ends };
}

test("a claim that is made while its client goes is released, and not executed", async () => {
  const other = new ClaimInFlight("print");
  const gone = new AbortController();
  const { claim, ends } = recordedClaim();
  const attempt = async (): Promise<ClaimAttempt> => {
    gone.abort();
    return { kind: "first", claim, waited: false };
  };
  const waiting = waitForClaim(busyWith(other), attempt, WAIT_MS, gone.signal);
  other.settle(undefined);
  expect(await waiting).toEqual({ kind: "in_flight" });
  expect(ends).toEqual(["release"]);
});

test("a claim that is made while its client waits is handed over, with the note that it waited", async () => {
  const other = new ClaimInFlight("print");
  const { claim, ends } = recordedClaim();
  const signal = new AbortController().signal;
  const waiting = waitForClaim(busyWith(other), () => ({ kind: "first", claim, waited: false }), WAIT_MS, signal);
  other.settle(undefined);
  expect(await waiting).toEqual({ kind: "first", claim, waited: true });
  expect(ends).toEqual([]);
});

test("who waits gets the answer without another attempt", async () => {
  const other = new ClaimInFlight("print");
  const attempt = () => expect.unreachable();
  const waits = [1, 2, 3].map(() => waitForClaim(busyWith(other), attempt, WAIT_MS, new AbortController().signal));
  other.settle(REPLY);
  other.settle(undefined);
  for (const wait of waits) expect(await wait).toEqual({ kind: "kept", reply: REPLY, waited: true });
  expect(await other.end()).toEqual(REPLY);
});

test("an error of an attempt is passed on, and a signal that has aborted already ends the wait", async () => {
  const other = new ClaimInFlight("print");
  const failing = () => Promise.reject(new Error("the store is unreachable"));
  const waiting = waitForClaim(busyWith(other), failing, WAIT_MS, new AbortController().signal);
  other.settle(undefined);
  expect(waiting).rejects.toThrow("unreachable");
  expect(await waitForClaim(busyWith(new ClaimInFlight("print")), failing, WAIT_MS, AbortSignal.abort())).toEqual({
    kind: "in_flight",
  });
});
