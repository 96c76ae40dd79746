import { NO_SLOT } from "../../../../src/stores/memory/expiring-table.ts";

/** What `ExpiringTable` and `GrowingTable` have in common. */
interface EntryTable {
  find(low: number, high: number): number;
  claim(low: number, high: number, nowMs: number): number;
  expiryMs(slot: number): number;
  setExpiry(slot: number, expiresAtMs: number): void;
}

/** Stores an entry. Returns false if the table is full. */
export function put(table: EntryTable, low: number, high: number, nowMs: number, expiresAtMs: number): boolean {
  const slot = table.claim(low, high, nowMs);
  if (slot !== NO_SLOT) table.setExpiry(slot, expiresAtMs);
  return slot !== NO_SLOT;
}

export function isLive(table: EntryTable, low: number, high: number, nowMs: number): boolean {
  const slot = table.find(low, high);
  return slot !== NO_SLOT && table.expiryMs(slot) > nowMs;
}
