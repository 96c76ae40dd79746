import { isFieldError } from "@bufbuild/protobuf/reflect";

/** What protobuf-es writes before a value that it quotes. */
const BEFORE_VALUE = /^cannot decode [\w. ]+ from JSON\b/;

/** Why a message cannot be decoded, for the log: which part of the contract, and nothing of the text, which is the client's. */
export function decodeCause(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const fieldError = [thrown, thrown.cause].find(isFieldError);
  if (fieldError !== undefined) return new Error(`the value of ${fieldError.field()}`);
  const [head] = BEFORE_VALUE.exec(thrown.message) ?? [];
  return head === undefined ? thrown : new Error(head);
}
