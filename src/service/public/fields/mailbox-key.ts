import { domainToASCII, domainToUnicode } from "node:url";

/**
 * Returns the key of the bucket for one mailbox. Addresses that a mail system or a database may treat as equal get the same
 * key. So no mailbox gets more mails than its budget allows. Two different mailboxes may also get the same key. They then share
 * a bucket.
 *
 * In the local part (before the @), the key ignores:
 * - Unicode normalization and case (NFKC, case folding);
 * - accents, strokes and ligatures, as database collations such as utf8mb4_0900_ai_ci do;
 * - invisible characters, punctuation and dots;
 * - the part after a plus sign (RFC 5233).
 *
 * In the domain, the key ignores:
 * - differences between spellings of an internationalized domain (RFC 5890, UTS 46);
 * - extra dots;
 * - differences between domains of the same mail provider, such as gmail.com and googlemail.com.
 */
export function mailboxKey(email: string): string {
  const text = email.normalize("NFKC");
  const at = text.lastIndexOf("@");
  return `${localKey(text.slice(0, at))}@${domainKey(text.slice(at + 1))}`;
}

/**
 * Removes from a text what many databases and parsers ignore: case, accents, punctuation, white space, and leading zeros. Different
 * texts may get the same result.
 */
export function foldedKey(text: string): string {
  // The text may be long, and normalization sorts adjacent combining marks in quadratic time. So the marks are removed first.
  const normalized = text.replace(IGNORED, "").normalize("NFKC");
  const letters = repeated(normalized, foldLetters).replace(/[^\p{L}\p{Nd}]/gu, "");
  return letters.replace(/^0+(?=.)/, "");
}

function localKey(local: string): string {
  const withoutTag = repeated(local, foldLetters).replace(/(?<=.)\+.*$/su, "");
  // A plus sign at the start of the local part is part of the name, so the key contains it.
  return withoutTag.replace(/[^\p{L}\p{Nd}+]/gu, "");
}

function domainKey(domain: string): string {
  const ascii = repeated(domain, foldDomain);
  return PROVIDERS.get(ascii) ?? ascii;
}

/**
 * Maximum number of calls of `fold` in `repeated`. A single call is not enough, because `fold` may change its own result. Known
 * texts need at most three calls.
 */
const ROUNDS_MAX = 8;

/** Applies `fold` to the text until the text no longer changes, at most `ROUNDS_MAX` times. */
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
 * Characters that `foldLetters` and `foldedKey` remove: combining marks, modifier letters (such as U+0640 and U+02BC), and
 * invisible characters (such as U+034F and the variation selectors).
 */
const IGNORED = /[\p{M}\p{Lm}\p{Default_Ignorable_Code_Point}]/gu;
/** Characters above U+FFFF. The collations utf8mb4_general_ci and utf8mb4_unicode_ci treat all of them as equal. */
const BEYOND_BASIC_PLANE = /[\u{10000}-\u{10ffff}]/gu;
/** Matches katakana letters. The code point of the corresponding hiragana letter is lower by 0x60. */
const KATAKANA = /[\u30a1-\u30f6]/g;
/**
 * Maps a letter to the letters that database collations treat as equal to it. Contains only letters that Unicode does not
 * decompose. All are lower case, because the text is converted to lower case first.
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
      // `toUpperCase` maps ß, ı and ſ to SS, I and S, and `toLowerCase` does not. So `toUpperCase` must run first.
      .toUpperCase()
      .toLowerCase()
      .replace(BEYOND_BASIC_PLANE, "\ufffd")
      .replace(/(?![0-9])\p{Nd}/gu, asciiDigit)
      .replace(KATAKANA, (letter) => String.fromCharCode(letter.charCodeAt(0) - 0x60))
      .replace(EQUATED_LETTERS, (letter) => EQUATED.get(letter) ?? letter)
      .replaceAll("\ufffd", "x")
  );
}

/** A cache of the results of `digitValue`. It has at most about 400 entries, because it has only digits up to U+FFFF. */
const DIGIT_VALUES = new Map<string, string>();

/** Converts a digit of any script to the ASCII digit with the same value. */
function asciiDigit(digit: string): string {
  const known = DIGIT_VALUES.get(digit);
  if (known !== undefined) return known;
  const value = digitValue(digit);
  DIGIT_VALUES.set(digit, value);
  return value;
}

/** Computes the result of `asciiDigit`. In every script, the digits 0 to 9 have consecutive code points. */
function digitValue(digit: string): string {
  const code = digit.charCodeAt(0);
  let zero = code;
  while (code - zero < 9 && /\p{Nd}/u.test(String.fromCharCode(zero - 1))) zero--;
  return String(code - zero);
}

const DOTS = /[.\u3002\uff0e\uff61]/u;
/**
 * Maps letters to their replacements in IDNA2003. The newer standard IDNA2008 does not replace them. Mail systems use both
 * standards, so both spellings must get the same key.
 */
const DEVIATIONS = new Map(pairs("ß ss, ς σ"));

/** Converts a domain to ASCII (Punycode). If the text is not a valid domain, returns it normalized and in lower case. */
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

/** Maps a mail domain to the main domain of the same mail provider. Mail to both domains reaches the same mailbox. */
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
