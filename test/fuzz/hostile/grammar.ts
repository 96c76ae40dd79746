import { mutate, type Random } from "../fuzzer.ts";
import { BASE64 } from "./base64-shapes.ts";
import { HEAD_BYTES_MAX, HEADS } from "./head-shapes.ts";
import type { HostileInput, Kind } from "./input.ts";
import { JSON_PLACES, JSON_VALUES, REST_PLACES } from "./json-shapes.ts";
import { PACKED } from "./packed-shapes.ts";
import { PROTO_PLACES, PROTO_RUNS } from "./proto-shapes.ts";

/** The longest message, before and after packing, that the gateway takes by default; and the longest body of a login call. */
export const MESSAGE_BYTES_MAX = 512 * 1024;
export const REST_BYTES_MAX = 8 * 1024;
/** A little more than the longest body of gRPC-Web text. */
const BASE64_BYTES_MAX = 704 * 1024;

/** How an input is made. The same recipe makes the same input. */
export interface Recipe {
  readonly kind: Kind;
  readonly place: string;
  readonly shape: string;
  readonly bytes: number;
  /** How often the bytes are mutated, with the randomness of `seed`. */
  readonly mutations: number;
  readonly seed: number;
}

const utf8 = new TextEncoder();
const NOTHING = new Uint8Array(0);

function pairs(kind: Kind, places: object, shapes: object): (readonly [Kind, string, string])[] {
  return Object.keys(shapes).flatMap((shape) => Object.keys(places).map((place) => [kind, place, shape] as const));
}

const SENTENCES: readonly (readonly [Kind, string, string])[] = [
  ...pairs("json", JSON_PLACES, JSON_VALUES),
  ...pairs("proto", PROTO_PLACES, PROTO_RUNS),
  ...pairs("rest", REST_PLACES, JSON_VALUES),
  ...Object.keys(BASE64).map((shape) => ["base64", "", shape] as const),
  ...Object.keys(HEADS).map((shape) => ["head", "", shape] as const),
  ...Object.entries(PACKED).map(([shape, { encoding }]) => [encoding, "", shape] as const),
];

/** Every shape at every place, with the maximum size. */
export function everyRecipe(): Recipe[] {
  return SENTENCES.map(([kind, place, shape]) => ({ kind, place, shape, bytes: bytesMaxOf(kind), mutations: 0, seed: 1 }));
}

export function bytesMaxOf(kind: Kind): number {
  if (kind === "rest") return REST_BYTES_MAX;
  if (kind === "base64") return BASE64_BYTES_MAX;
  return kind === "head" ? HEAD_BYTES_MAX : MESSAGE_BYTES_MAX;
}

/** The recipe with one random change. */
export function variation(recipe: Recipe, random: Random): Recipe {
  const alike = SENTENCES.filter(([kind]) => kind === recipe.kind);
  const [, place, shape] = random.pick(alike);
  const change = random.pick<Partial<Recipe>>([
    { place },
    { shape },
    { bytes: 1 + random.below(bytesMaxOf(recipe.kind)) },
    { bytes: 1 + random.below(256) },
    { bytes: Math.min(bytesMaxOf(recipe.kind), recipe.bytes * 2) },
    { bytes: Math.max(1, recipe.bytes >> 1) },
    { mutations: recipe.mutations + 1 },
    { seed: random.below(1_000_000) },
  ]);
  const next = { ...recipe, ...change };
  return alike.some(([, aPlace, aShape]) => aPlace === next.place && aShape === next.shape) ? next : recipe;
}

export function inputOf(recipe: Recipe, randomOf: (seed: number) => Random): HostileInput {
  const { kind, place, shape, mutations, seed, bytes: size } = recipe;
  const how = mutations > 0 ? `, mutated ${mutations} times with seed ${seed}` : "";
  const name = `${[place, shape].filter(Boolean).join(": ")}, ${size} bytes${how}`;
  if (kind === "head") return { name, kind, bytes: NOTHING, headers: HEADS[shape]?.(size) ?? {} };
  let bytes = bodyOf(recipe, randomOf);
  const random = randomOf(seed);
  for (let times = 0; times < mutations; times++) bytes = mutate(bytes, random);
  // A buffer of its own: the cache of compressed messages is keyed by it.
  return { name, kind, bytes: new Uint8Array(bytes.subarray(0, bytesMaxOf(kind))) };
}

/** Keeps the last run, because consecutive recipes use the same run at different places. */
class Last<T> {
  #key = "";
  #made: T | undefined;

  of({ shape, bytes, seed }: Recipe, make: () => T): T {
    const key = `${shape} ${bytes} ${seed}`;
    if (this.#made === undefined || this.#key !== key) this.#made = make();
    this.#key = key;
    return this.#made;
  }
}

const lastValue = new Last<string>();
const lastRun = new Last<Uint8Array>();

function bodyOf(recipe: Recipe, randomOf: (seed: number) => Random): Uint8Array {
  const { kind, place, shape, bytes: size, seed } = recipe;
  const value = () => lastValue.of(recipe, () => JSON_VALUES[shape]?.(roomIn(size), randomOf(seed)) ?? "");
  const run = () => lastRun.of(recipe, () => PROTO_RUNS[shape]?.(roomIn(size), randomOf(seed)) ?? NOTHING);
  switch (kind) {
    case "json":
      return utf8.encode(JSON_PLACES[place]?.(value()));
    case "rest":
      return utf8.encode(REST_PLACES[place]?.(value()));
    case "proto":
      return PROTO_PLACES[place]?.(run()) ?? NOTHING;
    case "base64":
      return Buffer.from(BASE64[shape]?.(size) ?? "", "latin1");
    default:
      return PACKED[shape]?.make(size) ?? NOTHING;
  }
}

/** The size of the run: the rest of the message must fit too. */
function roomIn(size: number): number {
  return Math.max(1, size - 160);
}
