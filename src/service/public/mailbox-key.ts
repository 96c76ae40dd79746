import { domainToASCII, domainToUnicode } from "node:url";

/**
 * The bucket key of a mailbox's budget. All addresses that a mail system or a database may treat as equal get the same key. If two
 * mailboxes get one key, they share a bucket, which is harmless. If one mailbox had two keys, it could be sent twice the mails. So the key
 * ignores every difference that some system ignores:
 *
 * - in the local part: normalization form and case (NFKC, case folding); accents, strokes and ligatures (collations such as
 *   utf8mb4_0900_ai_ci); invisible characters; punctuation and dots; the part after a plus sign (RFC 5233);
 * - in the domain: its spelling (RFC 5890, UTS 46), extra dots, and other domains of the same provider.
 */
export function mailboxKey(email: string): string {
  const text = email.normalize("NFKC");
  const at = text.lastIndexOf("@");
  return `${localKey(text.slice(0, at))}@${domainKey(text.slice(at + 1))}`;
}

function localKey(local: string): string {
  const withoutTag = repeated(local, foldLetters).replace(/(?<=.)\+.*$/su, "");
  // A leading plus sign is part of the name.
  return withoutTag.replace(/[^\p{L}\p{Nd}+]/gu, "");
}

function domainKey(domain: string): string {
  const ascii = repeated(domain, foldDomain);
  return PROVIDERS.get(ascii) ?? ascii;
}

/** The result of one fold may need another. No known text needs more than three rounds. */
const ROUNDS_MAX = 8;

/** Applies `fold` until the text no longer changes. */
function repeated(text: string, fold: (text: string) => string): string {
  let folded = text;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const before = folded;
    folded = fold(before);
    if (folded === before) break;
  }
  return folded;
}

/** Combining marks, modifier letters (U+0640, U+02BC), and invisible characters such as U+034F and the variation selectors. */
const IGNORED = /[\p{M}\p{Lm}\p{Default_Ignorable_Code_Point}]/gu;
/** utf8mb4_general_ci and utf8mb4_unicode_ci treat all characters above U+FFFF as equal. */
const BEYOND_BASIC_PLANE = /[\u{10000}-\u{10ffff}]/gu;
/** Katakana. Each has its hiragana 0x60 below. */
const KATAKANA = /[\u30a1-\u30f6]/g;
/** Letters that collations treat as equal and Unicode does not decompose. Lower case, because case is folded before. */
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
      .replace(IGNORED, "")
      // Upper case first, because only this maps ß, ı and ſ to ss, i and s.
      .toUpperCase()
      .toLowerCase()
      .replace(BEYOND_BASIC_PLANE, "\ufffd")
      .replace(/\p{Nd}/gu, asciiDigit)
      .replace(KATAKANA, (letter) => String.fromCharCode(letter.charCodeAt(0) - 0x60))
      .replace(EQUATED_LETTERS, (letter) => EQUATED.get(letter) ?? letter)
      .replaceAll("\ufffd", "x")
  );
}

/** In every script, the digits 0 to 9 have consecutive code points. */
function asciiDigit(digit: string): string {
  const code = digit.charCodeAt(0);
  let zero = code;
  while (code - zero < 9 && /\p{Nd}/u.test(String.fromCharCode(zero - 1))) zero--;
  return String(code - zero);
}

const DOTS = /[.\u3002\uff0e\uff61]/u;
/** IDNA2003 maps these letters, IDNA2008 does not. Mail systems use either. */
const DEVIATIONS = new Map(pairs("ß ss, ς σ"));

/** Returns the domain in ASCII (Punycode). Text that is not a valid domain is only case-folded. */
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

/** Domains of one provider that deliver to the same mailboxes. */
const PROVIDERS = new Map([
  ...pairs("googlemail.com gmail.com, me.com icloud.com, mac.com icloud.com"),
  ...pairs("protonmail.com proton.me, protonmail.ch proton.me, pm.me proton.me"),
  ...pairs("yandex.com yandex.ru, ya.ru yandex.ru, yandex.by yandex.ru, yandex.kz yandex.ru"),
]);

/** Parses "from to, from to". */
function pairs(list: string): [string, string][] {
  return list.split(", ").map((pair) => {
    const [from = "", to = ""] = pair.split(" ");
    return [from, to];
  });
}
