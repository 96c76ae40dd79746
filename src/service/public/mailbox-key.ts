import { domainToASCII, domainToUnicode } from "node:url";

/**
 * Returns the bucket key of a mailbox's budget. Addresses that a mail system or a database may treat as equal get the same key,
 * so that one mailbox cannot be sent more mails than its budget allows. Two mailboxes with the same key share a bucket, which is
 * harmless.
 *
 * In the local part, the key ignores:
 * - normalization form and case (NFKC, case folding);
 * - accents, strokes and ligatures (collations such as utf8mb4_0900_ai_ci);
 * - invisible characters, punctuation and dots;
 * - the part after a plus sign (RFC 5233).
 *
 * In the domain, the key ignores:
 * - differences in spelling (RFC 5890, UTS 46) and extra dots;
 * - which domain of the same provider the address uses.
 */
export function mailboxKey(email: string): string {
  const text = email.normalize("NFKC");
  const at = text.lastIndexOf("@");
  return `${localKey(text.slice(0, at))}@${domainKey(text.slice(at + 1))}`;
}

function localKey(local: string): string {
  const withoutTag = repeated(local, foldLetters).replace(/(?<=.)\+.*$/su, "");
  // A plus sign at the start is part of the name, so the key keeps it.
  return withoutTag.replace(/[^\p{L}\p{Nd}+]/gu, "");
}

function domainKey(domain: string): string {
  const ascii = repeated(domain, foldDomain);
  return PROVIDERS.get(ascii) ?? ascii;
}

/**
 * Maximum number of rounds of `repeated`. The result of one fold may be changed by the next fold. No known text needs more than
 * three rounds.
 */
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

/**
 * Characters that the key ignores: combining marks, modifier letters (such as U+0640 and U+02BC), and invisible characters (such
 * as U+034F and the variation selectors).
 */
const IGNORED = /[\p{M}\p{Lm}\p{Default_Ignorable_Code_Point}]/gu;
/** Characters above U+FFFF. The collations utf8mb4_general_ci and utf8mb4_unicode_ci treat all of them as equal. */
const BEYOND_BASIC_PLANE = /[\u{10000}-\u{10ffff}]/gu;
/** Katakana letters. The code point of the hiragana letter for each of them is 0x60 lower. */
const KATAKANA = /[\u30a1-\u30f6]/g;
/**
 * Maps letters to the letters that collations treat as equal. Only letters that Unicode does not decompose are listed. All of
 * them are lower case, because the text is converted to lower case before.
 */
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
      // Only `toUpperCase` maps ß, ı and ſ to SS, I and S. So it runs before `toLowerCase`.
      .toUpperCase()
      .toLowerCase()
      .replace(BEYOND_BASIC_PLANE, "\ufffd")
      .replace(/\p{Nd}/gu, asciiDigit)
      .replace(KATAKANA, (letter) => String.fromCharCode(letter.charCodeAt(0) - 0x60))
      .replace(EQUATED_LETTERS, (letter) => EQUATED.get(letter) ?? letter)
      .replaceAll("\ufffd", "x")
  );
}

/** Returns the ASCII digit for a digit of any script. In every script, the digits 0 to 9 have consecutive code points. */
function asciiDigit(digit: string): string {
  const code = digit.charCodeAt(0);
  let zero = code;
  while (code - zero < 9 && /\p{Nd}/u.test(String.fromCharCode(zero - 1))) zero--;
  return String(code - zero);
}

const DOTS = /[.\u3002\uff0e\uff61]/u;
/**
 * Letters that IDNA2003 maps to other letters, and that IDNA2008 keeps. Some mail systems use IDNA2003, and some use IDNA2008.
 */
const DEVIATIONS = new Map(pairs("ß ss, ς σ"));

/** Returns the domain in ASCII (Punycode). If the text is not a valid domain, it is normalized and converted to lower case. */
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

/** Maps mail domains to the main domain of the same provider. Both domains deliver to the same mailboxes. */
const PROVIDERS = new Map([
  ...pairs("googlemail.com gmail.com, me.com icloud.com, mac.com icloud.com"),
  ...pairs("protonmail.com proton.me, protonmail.ch proton.me, pm.me proton.me"),
  ...pairs("yandex.com yandex.ru, ya.ru yandex.ru, yandex.by yandex.ru, yandex.kz yandex.ru"),
]);

/** Parses text such as "a b, c d" into pairs: a and b, c and d. */
function pairs(list: string): [string, string][] {
  return list.split(", ").map((pair) => {
    const [from = "", to = ""] = pair.split(" ");
    return [from, to];
  });
}
