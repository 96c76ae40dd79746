import { domainToASCII, domainToUnicode } from "node:url";

/**
 * The key of a mailbox's budget: one for all addresses that a mail system or a database may take for the same. Two mailboxes that become
 * one here only share a budget; one that becomes two has twice the mails. So whatever some of them ignores is ignored:
 *
 * - the local part: forms and case (NFKC, case folding), marks and accents, strokes and ligatures (collations such as utf8mb4_0900_ai_ci),
 *   what shows nothing, punctuation and dots, what follows a plus sign (RFC 5233);
 * - the domain: how it is written (RFC 5890, UTS 46), surplus dots, and other names of the same provider.
 */
export function mailboxKey(email: string): string {
  const text = email.normalize("NFKC");
  const at = text.lastIndexOf("@");
  return `${localKey(text.slice(0, at))}@${domainKey(text.slice(at + 1))}`;
}

function localKey(local: string): string {
  const withoutTag = untilSame(local, foldLetters).replace(/(?<=.)\+.*$/su, "");
  // A plus sign that begins the name is part of it.
  return withoutTag.replace(/[^\p{L}\p{Nd}+]/gu, "");
}

function domainKey(domain: string): string {
  const ascii = untilSame(domain, foldDomain);
  return PROVIDERS.get(ascii) ?? ascii;
}

/** One fold may make room for another: it is done until nothing changes. No text is known that needs more than three rounds. */
const ROUNDS_MAX = 8;

function untilSame(text: string, fold: (text: string) => string): string {
  let folded = text;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const before = folded;
    folded = fold(before);
    if (folded === before) break;
  }
  return folded;
}

/** Marks, modifier letters (U+0640, U+02BC), and what shows nothing, such as U+034F and the variation selectors. */
const WEIGHTLESS = /[\p{M}\p{Lm}\p{Default_Ignorable_Code_Point}]/gu;
/** utf8mb4_general_ci and utf8mb4_unicode_ci take any two characters beyond the basic plane for equal. */
const BEYOND_BASIC_PLANE = /[\u{10000}-\u{10ffff}]/gu;
/** Katakana, each 0x60 after its hiragana. */
const KATAKANA = /[\u30a1-\u30f6]/g;
/** What collations equate though Unicode does not decompose it. Small letters, since case is folded before. */
const EQUATED = new Map([
  ...pairs("æ ae, œ oe, ø o, đ d, ð d, ħ h, ł l, ŧ t, þ th, ς σ, ґ г"),
  ...pairs("ך כ, ם מ, ן נ, ף פ, ץ צ"),
  ...pairs("ぁ あ, ぃ い, ぅ う, ぇ え, ぉ お, っ つ, ゃ や, ゅ ゆ, ょ よ, ゎ わ, ゕ か, ゖ け"),
]);
const EQUATED_LETTERS = new RegExp(`[${[...EQUATED.keys()].join("")}]`, "g");

function foldLetters(text: string): string {
  return (
    text
      .normalize("NFKD")
      .replace(WEIGHTLESS, "")
      // Upper case first: ß, ı and ſ have no other way to ss, i and s.
      .toUpperCase()
      .toLowerCase()
      .replace(BEYOND_BASIC_PLANE, "\ufffd")
      .replace(/\p{Nd}/gu, asciiDigit)
      .replace(KATAKANA, (letter) => String.fromCharCode(letter.charCodeAt(0) - 0x60))
      .replace(EQUATED_LETTERS, (letter) => EQUATED.get(letter) ?? letter)
      .replaceAll("\ufffd", "x")
  );
}

/** Every script's digits stand in a row, from 0 to 9. */
function asciiDigit(digit: string): string {
  const code = digit.charCodeAt(0);
  let zero = code;
  while (code - zero < 9 && /\p{Nd}/u.test(String.fromCharCode(zero - 1))) zero--;
  return String(code - zero);
}

const DOTS = /[.\u3002\uff0e\uff61]/u;
/** IDNA2003 maps these, IDNA2008 does not; mail systems do either. */
const DEVIATIONS = new Map(pairs("ß ss, ς σ"));

/** What cannot be a domain is only folded. */
function foldDomain(domain: string): string {
  const plain = domain
    .normalize("NFKC")
    .replace(/\p{Default_Ignorable_Code_Point}/gu, "")
    .toLowerCase();
  const dotted = plain.split(DOTS).filter(Boolean).join(".");
  const ascii = domainToASCII(dotted);
  if (ascii === "") return dotted;
  const mapped = domainToUnicode(ascii).replace(/[ßς]/g, (letter) => DEVIATIONS.get(letter) ?? letter);
  return domainToASCII(mapped) || ascii;
}

/** Domains of one provider that lead to the same mailboxes. */
const PROVIDERS = new Map([
  ...pairs("googlemail.com gmail.com, me.com icloud.com, mac.com icloud.com"),
  ...pairs("protonmail.com proton.me, protonmail.ch proton.me, pm.me proton.me"),
  ...pairs("yandex.com yandex.ru, ya.ru yandex.ru, yandex.by yandex.ru, yandex.kz yandex.ru"),
]);

/** "from to, from to" */
function pairs(list: string): [string, string][] {
  return list.split(", ").map((pair) => {
    const [from = "", to = ""] = pair.split(" ");
    return [from, to];
  });
}
