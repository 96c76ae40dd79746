import { isMessageType, isReservedType, MESSAGE_TYPE_MAX } from "../core/grammar.ts";
import type { Operation } from "./operations.ts";
import { variableNames } from "./route-path.ts";

/**
 * Maximum length of a message type without its number, in characters. A number such as `_2` is added if an earlier operation has
 * the same message type.
 */
const CHARS_MAX = MESSAGE_TYPE_MAX - 8;
/** Matches path segments that message types omit, such as `v1` and `api`. */
const VERSION = /^(v\d+([._-]?\w+)?|api|apis|rest)$/i;

/** Gives each operation a unique message type, such as `pets.get_pet_by_id`. */
export class MessageTypes {
  readonly #used = new Set<string>();

  /** Returns a message type that no earlier operation has. */
  of(operation: Operation): string {
    const type = messageTypeOf(operation);
    for (let count = 1; ; count++) {
      const candidate = count === 1 ? type : `${type}_${count}`;
      if (this.#used.has(candidate)) continue;
      this.#used.add(candidate);
      return candidate;
    }
  }
}

function messageTypeOf(operation: Operation): string {
  const words = fromId(operation) ?? fromPath(operation);
  const named = words.length > 1 ? words : [groupOf(operation), withoutGroup(words[0] ?? "call", groupOf(operation))];
  const type = named
    .join(".")
    .slice(0, CHARS_MAX)
    .replace(/[._]+$/, "");
  const safe = isReservedType(type) ? `api.${type}` : type;
  return isMessageType(safe) ? safe : `api.${operation.method}`;
}

/** Splits the operationId into words, at separators such as `/` and `.`. */
function fromId({ operationId, method, path }: Operation): string[] | undefined {
  if (operationId === undefined) return undefined;
  // FastAPI appends the path and the method to the name of a function. This ending is removed.
  const ending = `${path.replace(/\W/g, "_")}_${method}`;
  const id = operationId.endsWith(ending) ? operationId.slice(0, -ending.length) : operationId;
  // NestJS writes `PetsController_list`, which becomes `Pets.list`.
  const parts = id.replace(/^(\w+)Controller_/, "$1.").split(/[./:]+/);
  const words = parts.map(word).filter((each) => each !== "");
  return words.length === 0 ? undefined : words;
}

/** Returns the words of the path and the method, such as `pets.by_pet_id.get`. Used if the operationId has no words. */
function fromPath({ path, method }: Operation): string[] {
  const words = path.split("/").map((segment) => {
    const [name] = variableNames(segment);
    if (name !== undefined) return word(`by_${name}`);
    return VERSION.test(segment) ? "" : word(segment);
  });
  return [...words.filter((each) => each !== ""), method];
}

function groupOf({ tags, path }: Operation): string {
  const segments = path.split("/").filter((segment) => !/[{}]/.test(segment) && !VERSION.test(segment));
  return [...tags.slice(0, 1), ...segments].map(word).find((each) => each !== "") ?? "api";
}

function withoutGroup(name: string, group: string): string {
  const rest = name.startsWith(`${group}_`) ? name.slice(group.length + 1) : "";
  return /^[a-z]/.test(rest) ? rest : name;
}

/**
 * Converts a text to a word of a message type: `listPets` to `list_pets`. Returns an empty text if no letter or digit is left.
 */
function word(text: string): string {
  const plain = text
    .slice(0, CHARS_MAX)
    .normalize("NFKD")
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1_$2")
    .toLowerCase()
    .replace(/\p{M}/gu, "")
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  return /^\d/.test(plain) ? `n${plain}` : plain;
}
