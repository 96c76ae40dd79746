import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { foldedKey, mailboxKey } from "../../../../../src/service/public/fields/mailbox-key.ts";

describe("spellings of one mailbox share a budget:", () => {
  test.each([
    ["a combining accent", "é@a.example", "e\u0301@a.example"],
    ["a grapheme joiner before the accent", "é@a.example", "e\u034f\u0301@a.example"],
    ["several ignorable characters", "é@a.example", "\u034fe\u034f\u034f\u0301\ufe0f@a.example"],
    ["a Hangul filler before the accent", "é@a.example", "e\u3164\u0301@a.example"],
    ["marks in another order", "\u1ead@a.example", "a\u0302\u0323@a.example"],
    ["no accent (utf8mb4_0900_ai_ci)", "jose.garcia@a.example", "josé.garcía@a.example"],
    ["a stroke", "lukasz@a.example", "łukasz@a.example"],
    ["an o with a stroke", "soren@a.example", "SØREN@a.example"],
    ["a ligature", "aeneas@a.example", "Æneas@a.example"],
    ["a typographic ligature", "fiona@a.example", "ﬁona@a.example"],
    ["a sharp s", "strasse@a.example", "straße@a.example"],
    ["a capital sharp s", "STRASSE@a.example", "STRAẞE@a.example"],
    ["a long s", "sam@a.example", "ſam@a.example"],
    ["a dotless i", "diyar@a.example", "dıyar@a.example"],
    ["a dotted capital i", "istanbul@a.example", "İstanbul@a.example"],
    ["a Kelvin sign", "kim@a.example", "\u212aim@a.example"],
    ["full-width letters", "ada@a.example", "ａｄａ@a.example"],
    ["mathematical letters", "ada@a.example", "𝒶𝒹𝒶@a.example"],
    ["circled digits", "ada1@a.example", "ada①@a.example"],
    ["Arabic digits", "ada12@a.example", "ada١٢@a.example"],
    ["a final sigma", "ΟΔΟΣ@a.example", "οδος@a.example"],
    ["Hebrew finals", "שלומ@a.example", "שלום@a.example"],
    ["katakana", "あだ@a.example", "アダ@a.example"],
    ["half-width katakana", "あだ@a.example", "ｱﾀﾞ@a.example"],
    ["decomposed Hangul", "김@a.example", "\u1100\u1175\u11b7@a.example"],
    ["characters beyond the basic plane (utf8mb4_general_ci)", "😀@a.example", "😁@a.example"],
    ["variation selectors", "ada@a.example", "ad\ufe0fa\u{e0101}@a.example"],
    ["dots", "ada@a.example", "a.d.a@a.example"],
    ["a tag", "ada@a.example", "ada+tag+more@a.example"],
    ["a leading plus after an invisible character", "+ada@a.example", "\u034f+ada@a.example"],
    ["a tag after a full-width plus", "ada@a.example", "ada＋tag@a.example"],
    ["a tag after a superscript plus", "ada@a.example", "ada⁺tag@a.example"],
    ["hyphens and underscores", "ada-k@a.example", "a_da-k@a.example"],
    ["a domain in capitals", "ada@bücher.example", "ada@BÜCHER.EXAMPLE"],
    ["a domain in Punycode", "ada@bücher.example", "ada@XN--BCHER-kva.example"],
    ["a domain with a combining accent", "ada@bücher.example", "ada@bu\u034f\u0308cher.example"],
    ["trailing dots", "ada@bücher.example", "ada@bücher.example..."],
    ["ideographic full stops", "ada@a.example", "ada@a。example｡"],
    ["a sharp s in the domain", "ada@strasse.example", "ada@straße.example"],
    ["a sharp s in the domain, in Punycode", "ada@strasse.example", "ada@xn--strae-oqa.example"],
    ["a final sigma in the domain", "ada@οδοσ.example", "ada@οδος.example"],
    ["another domain of the provider", "ada@gmail.com", "ada@GoogleMail.com."],
    ["everything at once", "jose@strasse.example", "J．o\u034f.SÉ\ufe0f＋x@ＳＴＲＡẞＥ。example."],
  ])("%s", (_, one, other) => {
    expect(mailboxKey(other)).toBe(mailboxKey(one));
  });
});

test("different mailboxes have different budgets", () => {
  const mailboxes = [
    ...["ada@a.example", "bob@a.example", "ada1@a.example", "ada2@a.example", "ada@b.example", "ada@bücher.example"],
    ...["ada@bucher.example", "ada@gmail.com", "иван@a.example", "олег@a.example", "김@a.example", "박@a.example"],
    ...["+ada@a.example", "ada@constructor", "ada@__proto__", "constructor@a.example"],
  ];
  expect(new Set(mailboxes.map(mailboxKey)).size).toBe(mailboxes.length);
});

/** Excludes @ and +, and the iota subscript, which is a letter in upper case and a mark in lower case. */
const text = fc
  .string({ unit: "binary", minLength: 1, maxLength: 30 })
  .filter((each) => !/[@+]|\u0345/.test(each.normalize("NFKD")));
const IGNORED = ["\u034f", "\u115f", "\u3164", "\ufe0f", "\u{e0061}", "\u0301", "."];

test("for any address, the key is idempotent and independent of normalization form, case and ignorable insertions", () => {
  fc.assert(
    fc.property(
      text,
      fc.constantFrom("NFC", "NFD", "NFKC", "NFKD"),
      fc.nat(29),
      fc.constantFrom(...IGNORED),
      (local, form, at, extra) => {
        const email = `${local}@a.example`;
        const key = mailboxKey(email);
        const units = [...local];
        const inserted = [...units.slice(0, at), extra, ...units.slice(at)].join("");
        expect(mailboxKey(key)).toBe(key);
        expect(mailboxKey(email.normalize(form))).toBe(key);
        expect(mailboxKey(email.toUpperCase())).toBe(mailboxKey(email.toLowerCase()));
        expect(mailboxKey(`${inserted}@a.example`)).toBe(key);
      },
    ),
    { numRuns: 20_000 },
  );
});

test("a long text of combining marks takes linear time: as many as a body can hold take less than seconds", () => {
  const marks = "\u0315\u0316\u0300\u0334".repeat(8192);
  const startedMs = performance.now();
  expect(foldedKey(`a${marks}b`)).toBe("ab");
  // The quadratic sort of Unicode normalization takes about six seconds for each call.
  expect(performance.now() - startedMs).toBeLessThan(2000);
});
