import { expect, test } from "bun:test";
import { SigningKeys } from "../../../src/app/signing-keys.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Config } from "../../../src/config/schema.ts";
import { EventIds, tokenOfCursor } from "../../../src/crypto/event-ids.ts";
import { KeyRing } from "../../../src/crypto/key-ring.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const START_MS = 1_760_000_000_000;
const seed = (n: number) => Buffer.alloc(32, n).toString("base64");
const idOf = (n: number) => new KeyRing({ current: new Uint8Array(32).fill(n) }).keyId;
const load = (settings: Partial<Config>) => loadConfig({ env: {}, overrides: settings });
const fillRandom = (bytes: Uint8Array) => void crypto.getRandomValues(bytes);

function open(settings: Partial<Config>) {
  const clock = new ManualClock(START_MS);
  const lines: string[] = [];
  const line = (message: string) => void lines.push(message);
  const keys = new SigningKeys(load(settings), { clock, log: { debug() {}, info: line, warn: line, error: line } });
  keys.stop();
  const published = () => keys.ring.jwks.keys.map(({ kid }) => kid).sort();
  return { keys, clock, lines, published, ring: keys.ring };
}

const ROTATE_AT = new Date(START_MS + 600_000).toISOString();
const ROTATING = { "keys.current": seed(1), "keys.next": seed(2), "keys.rotate_at": ROTATE_AT };

test("at keys.rotate_at the next key signs, and the old one stays published", () => {
  const { keys, clock, lines, published, ring } = open(ROTATING);
  const ids = new EventIds(() => ring.eventIdKeys, fillRandom);
  const token = tokenOfCursor("c-1");
  const before = ids.idOfEvent(token);
  const all = published();
  clock.advance(599_999);
  keys.check();
  expect(ring.keyId).toBe(idOf(1));
  clock.advance(1);
  keys.check();
  keys.check();
  expect([ring.keyId, published()]).toEqual([idOf(2), all]);
  expect(lines).toEqual(["signing key changed"]);
  expect(ids.tokensIn(before).some((each) => Buffer.from(token).equals(each))).toBe(true);
  expect(ids.idOfEvent(token)).not.toBe(before);
});

test("a gateway that starts after keys.rotate_at signs with the same key as one that ran", () => {
  const { ring, lines } = open({ ...ROTATING, "keys.rotate_at": new Date(START_MS).toISOString() });
  expect([ring.keyId, lines]).toEqual([idOf(2), []]);
});

test("a reload after the rotation keeps the key that signs, and withdraws a key that it no longer names", () => {
  const { keys, clock, lines, published } = open(ROTATING);
  clock.advance(600_000);
  keys.check();
  keys.prepare(load({ "keys.current": seed(2), "keys.previous": seed(1) })).commit();
  expect([keys.ring.keyId, published()]).toEqual([idOf(2), [idOf(1), idOf(2)].sort()]);
  keys.prepare(load({ "keys.current": seed(2) })).commit();
  expect(published()).toEqual([idOf(2)]);
  expect(lines).toEqual(["signing key changed"]);
});

test("a reload rotates without keys.rotate_at; a key that clients cannot know yet is logged as a warning", () => {
  const { keys, clock, lines } = open({ "keys.current": seed(1) });
  keys.prepare(load({ "keys.current": seed(1), "keys.next": seed(2) })).commit();
  clock.advance(300_000);
  keys.prepare(load({ "keys.current": seed(2), "keys.previous": seed(1) })).commit();
  expect(lines).toEqual(["signing key changed"]);
  keys.prepare(load({ "keys.current": seed(3), "keys.previous": seed(2) })).commit();
  expect(lines).toEqual(["signing key changed", "signing key changed", "signing key not published for long enough"]);
});

test("a reload warns of a keys.rotate_at before clients can know the next key", () => {
  const rotateIn = (ms: number) => ({ "keys.rotate_at": new Date(START_MS + ms).toISOString() });
  const WARNING = "signing key rotation too early";
  const current = { "keys.current": seed(1) };
  const { keys, clock, lines } = open(current);
  keys.prepare(load({ ...current, "keys.next": seed(2), ...rotateIn(300_000) })).commit();
  expect(lines).toEqual([]);
  keys.prepare(load({ ...current, "keys.next": seed(3), ...rotateIn(299_999) })).commit();
  expect(lines).toEqual([WARNING]);
  clock.advance(200_000);
  keys.prepare(load({ ...current, "keys.next": seed(3), ...rotateIn(300_000) })).commit();
  expect(lines).toEqual([WARNING]);
  keys.prepare(load({ ...current, "keys.next": seed(4), ...rotateIn(300_000) })).commit();
  expect(lines).toEqual([WARNING, WARNING]);
});

test("preparing changes nothing, and a bad key is refused", () => {
  const { keys } = open({ "keys.current": seed(1) });
  keys.prepare(load({ "keys.current": seed(2) }));
  expect(keys.ring.keyId).toBe(idOf(1));
  expect(() => keys.prepare(load({ "keys.current": seed(1), "keys.next_file": "/nowhere/next.key" }))).toThrow(
    "keys.next_file",
  );
  expect(() => keys.prepare(load({ "keys.current": seed(1), "keys.next": seed(1) }))).toThrow("the same seed");
});

test("without a configured key, a reload keeps the random one, and workers get it", () => {
  const { keys } = open({});
  const before = keys.ring.keyId;
  keys.prepare(load({})).commit();
  expect(keys.ring.keyId).toBe(before);
  const worker = new SigningKeys(keys.inline(load({})), { clock: new ManualClock() });
  worker.stop();
  expect(worker.ring.keyId).toBe(before);
});

test("keys.rotate_at is a time with an offset, and needs a next key", () => {
  expect(load({ ...ROTATING })["keys.rotate_at"]).toBe(ROTATE_AT);
  const set = (text: string) =>
    loadConfig({ env: {}, argv: ["--set", `keys.rotate_at=${text}`, "--set", `keys.next=${seed(2)}`] });
  expect(set("2027-01-31T04:00:00+01:00")["keys.rotate_at"]).toBe("2027-01-31T03:00:00.000Z");
  for (const wrong of ["2027-01-31", "2027-01-31T03:00:00", "tomorrow", "2027-13-31T03:00:00Z", "0"])
    expect(() => set(wrong)).toThrow("keys.rotate_at");
  expect(() => loadConfig({ env: {}, argv: ["--set", "keys.rotate_at=2027-01-31T03:00:00Z"] })).toThrow("without keys.next");
});
