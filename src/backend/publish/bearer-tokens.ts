import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { pathShown, whyUnreadable } from "../../core/file-problem.ts";
import { isVisible } from "../../core/grammar.ts";
import type { Log } from "../../core/telemetry.ts";

/** Minimum length of a token. A shorter token can be guessed. */
export const TOKEN_CHARS_MIN = 32;
const TOKEN_CHARS_MAX = 4096;
/** Maximum number of tokens in a file. During a rotation, the file holds the old and the new token. */
const TOKENS_MAX = 8;

/** Thrown if the token file cannot be used. The message is for operators. It never shows the contents of the file. */
export class TokenFileError extends Error {}

/** The source of the tokens: one value, or a file with one token per line. */
export type TokenSource = { readonly value: string } | { readonly file: string };

/**
 * The bearer tokens that the private listener accepts. A token file is read again when it changes. If the new file cannot be
 * used, the tokens of the old file stay valid.
 */
export class BearerTokens {
  readonly #source: TokenSource;
  readonly #log: Log;
  #digests: readonly Buffer[];
  #version: string | undefined;

  /** Throws `TokenFileError`. */
  constructor(source: TokenSource, log: Log) {
    this.#source = source;
    this.#log = log;
    this.#version = "file" in source ? versionOf(source.file) : undefined;
    this.#digests = ("file" in source ? readTokens(source.file) : [source.value]).map(digestOf);
  }

  /** Whether an `Authorization` header has one of the tokens. The time of the comparison does not depend on the tokens. */
  accepts(authorization: string | null): boolean {
    this.#refresh();
    const [, token] = /^bearer +(\S+)$/i.exec(authorization?.slice(0, TOKEN_CHARS_MAX + 16) ?? "") ?? [];
    const digest = digestOf(token ?? "");
    let isAccepted = false;
    for (const each of this.#digests) isAccepted = timingSafeEqual(each, digest) || isAccepted;
    return isAccepted && token !== undefined;
  }

  #refresh(): void {
    if (!("file" in this.#source)) return;
    const { file } = this.#source;
    const version = versionOf(file);
    if (version === this.#version) return;
    this.#version = version;
    try {
      this.#digests = readTokens(file).map(digestOf);
      this.#log.info("push token file loaded", { file: pathShown(file), token_count: this.#digests.length });
    } catch (error) {
      if (!(error instanceof TokenFileError)) throw error;
      this.#log.error("push token file unusable", { cause: error.message });
    }
  }
}

/** Returns a text that changes when the file is replaced or written. */
function versionOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? "missing" : `${stat.ino}.${stat.size}.${stat.mtimeMs}`;
}

function readTokens(file: string): readonly string[] {
  const shown = `push.token_file (${pathShown(file)})`;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new TokenFileError(`${shown}: cannot be read: ${whyUnreadable(cause)}`);
  }
  const tokens = text.split(/\r?\n/).filter((line) => line !== "");
  const isUsable = tokens.every((token) => token.length >= TOKEN_CHARS_MIN && isVisible(token, TOKEN_CHARS_MAX));
  if (tokens.length > 0 && tokens.length <= TOKENS_MAX && isUsable) return tokens;
  throw new TokenFileError(
    `${shown}: expected 1 to ${TOKENS_MAX} lines, each a token of at least ${TOKEN_CHARS_MIN} visible ASCII characters`,
  );
}

/** Returns the SHA-256 of a token. All digests have the same length, as `timingSafeEqual` requires. */
function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
