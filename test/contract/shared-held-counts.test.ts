import { afterEach, beforeEach, expect, test } from "bun:test";
import { PERMIT_LEASE_MS } from "../../src/core/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { openStoresAt } from "../support/shared-stores.ts";
import { SharedProcesses } from "./support/shared-processes.ts";
import { SHARED_SETTINGS } from "./support/shared-settings.ts";

/** What killed processes held in a shared file. */

let opened = new AsyncDisposableStack();
beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

async function start(count: number) {
  const processes = await SharedProcesses.start(count);
  opened.defer(() => processes.close());
  const clock = new ManualClock();
  const own = openStoresAt(processes.path, SHARED_SETTINGS, clock);
  opened.defer(() => own.close());
  return { processes, clock, own };
}

/** Longer than a process counts as running without another check. */
const CHECK_MS = 1000;

test("the connections of a killed process count no longer, and those of the others still do", async () => {
  const { processes, clock, own } = await start(2);
  expect(await processes.heldBy(0).tryAdd("network", 6)).toBe(true);
  expect(await processes.heldBy(1).tryAdd("network", 2)).toBe(true);
  expect(own.heldConnections.tryAdd("network", 1, 8)).toBe(false);
  await processes.killOne(0);
  clock.advance(CHECK_MS);
  expect(own.heldConnections.held("network")).toBe(2);
  expect(own.heldConnections.tryAdd("network", 6, 8)).toBe(true);
  expect(own.heldConnections.tryAdd("network", 1, 8)).toBe(false);
});

test("a killed process's permits stay held for the lease, and no longer", async () => {
  const { processes, clock, own } = await start(1);
  expect(await processes.heldBy(0).tryAdd("permit", 5)).toBe(true);
  await processes.killOne(0);
  clock.advance(CHECK_MS);
  expect(own.heldPermits.held("permit")).toBe(5);
  clock.advance(PERMIT_LEASE_MS - 1);
  expect(own.heldPermits.tryAdd("permit", 1, 5)).toBe(false);
  clock.advance(1);
  expect(own.heldPermits.tryAdd("permit", 1, 5)).toBe(true);
});

test("a process that stops cleanly leaves nothing, and the place of a killed one is free after the lease", async () => {
  const { processes, clock, own } = await start(1);
  const next = openStoresAt(processes.path, SHARED_SETTINGS, clock);
  next.heldConnections.tryAdd("network", 3);
  next.close();
  expect(own.heldConnections.held("network")).toBe(0);
  for (let n = 0; n < 3; n++) {
    await processes.heldBy(0).tryAdd("network", 1);
    await processes.killOne(0);
    own.tidy();
    clock.advance(PERMIT_LEASE_MS);
    own.tidy();
    expect(own.heldConnections.held("network")).toBe(0);
  }
});

test("a table without room refuses, and has room again when another process was killed", async () => {
  const { processes, clock, own } = await start(1);
  let added = 0;
  while (await processes.heldBy(0).tryAdd(`network ${added}`, 1)) added++;
  expect(added).toBeGreaterThanOrEqual(SHARED_SETTINGS.connectionEntriesMax);
  const isAdded = () => own.heldConnections.tryAdd(`network ${added}`, 1);
  expect(isAdded()).toBe(false);
  await processes.killOne(0);
  own.tidy();
  clock.advance(PERMIT_LEASE_MS);
  own.tidy();
  expect(isAdded()).toBe(true);
});
