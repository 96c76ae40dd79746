import { describe, expect, test } from "bun:test";
import { EventIds, eventIdKey, TOKEN_BYTES, tokenOfCursor } from "../../../src/crypto/event-ids.ts";

const fillRandom = (bytes: Uint8Array) => void crypto.getRandomValues(bytes);
const key = (seed: number) => eventIdKey(new Uint8Array(32).fill(seed));
const ids = (first: number, ...others: number[]) => new EventIds(() => [key(first), ...others.map(key)], fillRandom);
const token = tokenOfCursor("cursor-1");
const found = (reader: EventIds, id: string) => reader.tokensIn(id).some((each) => Buffer.compare(each, token) === 0);

describe("an event id", () => {
  test("names its position to every gateway that has the key, even after a rotation", () => {
    const id = ids(1).create(token);
    expect(found(ids(1), id)).toBe(true);
    expect(found(ids(2, 1), id)).toBe(true);
    expect(found(ids(2, 3, 1), id)).toBe(true);
    expect(found(ids(2), id)).toBe(false);
  });

  test("is 22 visible characters, and unique even at one position", () => {
    const all = Array.from({ length: 1000 }, () => ids(1).create(token));
    expect(new Set(all).size).toBe(1000);
    for (const id of all) expect(id).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });

  test("of the gateway never equals the id of a backend event, even if the random source returns zeros", () => {
    const zeros = new EventIds(
      () => [key(1)],
      (bytes) => void bytes.fill(0),
    );
    expect(zeros.create(token)).not.toBe(zeros.idOfEvent(token));
  });

  test("of a backend event is the same at every gateway with the same current key", () => {
    expect(ids(1).idOfEvent(token)).toBe(ids(1, 2).idOfEvent(token));
    expect(ids(1).idOfEvent(token)).not.toBe(ids(2).idOfEvent(token));
    expect(found(ids(1), ids(1).idOfEvent(token))).toBe(true);
  });

  test("of one position shares no part with another id of that position, so a client learns nothing from it", () => {
    const [first = "", second = ""] = [ids(1).create(token), ids(1).create(token)];
    const equal = [...first].filter((character, at) => character === second[at]).length;
    expect(equal).toBeLessThan(8);
  });
});

test("texts that are no event id hold no token", () => {
  const id = ids(1).create(token);
  const wrong = [
    "",
    "e-1",
    id.slice(1),
    `${id}A`,
    `${id.slice(0, 21)}=`,
    `${id.slice(0, 21)}B`,
    ` ${id}`,
    `${id}\n`,
    "\u00e4".repeat(22),
  ];
  for (const each of wrong) expect(ids(1).tokensIn(each)).toEqual([]);
});

test("different cursors have different tokens", () => {
  const tokens = Array.from({ length: 10_000 }, (_, n) => tokenOfCursor(String(n)).toString("hex"));
  expect(new Set(tokens).size).toBe(10_000);
  expect(tokens[0]).toHaveLength(2 * TOKEN_BYTES);
});
