import { mutate, Random } from "../../fuzz/fuzzer.ts";
import { bytesMaxOf, everyRecipe, inputOf, type Recipe, variation } from "../../fuzz/hostile/grammar.ts";
import type { HostileInput, Kind } from "../../fuzz/hostile/input.ts";
import { carries, type Way, waysOf } from "../../fuzz/hostile/ways.ts";
import type { Cost, Subject } from "./subject.ts";

/** An input and its cost on the search's reference way. */
export interface Found {
  readonly input: HostileInput;
  /** Undefined for mutated bytes. */
  readonly recipe: Recipe | undefined;
  readonly cost: Cost;
}

export interface SearchOptions {
  /** Tries every n-th recipe of the grammar. */
  readonly stride: number;
  /** Variations of the most expensive inputs, per kind. */
  readonly variations: number;
  readonly seed: number;
  readonly boundMicros: number;
  /** Also tries every message compressed. */
  readonly packed: boolean;
}

/** Inputs kept per kind and measure. */
const KEPT_A_KIND = 3;
/** A variation starts from one of this many most expensive inputs. */
const PARENTS = 24;

const randomOf = (seed: number) => new Random(seed);
const byCpu = ({ cost }: Found) => cost.cpuMicros / cost.failures;
/** Counts the header section. Otherwise the shortest request always has the highest cost per byte. */
const HEAD_BYTES = 256;
const byCpuPerByte = ({ cost }: Found) => cost.cpuMicros / (cost.sentBytes + HEAD_BYTES);

/**
 * The most expensive inputs of every kind, in descending order. Tries the known inputs, then every recipe of the grammar, then variations of
 * the most expensive inputs so far.
 */
export async function search(subject: Subject, known: readonly HostileInput[], options: SearchOptions): Promise<Found[]> {
  const recipes = everyRecipe().filter((_, at) => at % options.stride === 0);
  const kinds = [...new Set([...recipes, ...known].map(({ kind }) => kind))];
  const found: Found[] = [];
  for (const kind of kinds) {
    const ofKind = new KindSearch(subject, kind, options);
    for (const input of known) if (input.kind === kind) await ofKind.look(input, undefined);
    for (const recipe of recipes) if (recipe.kind === kind) await ofKind.look(inputOf(recipe, randomOf), recipe);
    for (let n = 0; n < options.variations; n++) await ofKind.vary();
    found.push(...ofKind.mostExpensive());
  }
  return found;
}

class KindSearch {
  readonly #subject: Subject;
  readonly #ways: readonly Way[];
  readonly #boundMicros: number;
  readonly #random: Random;
  readonly #found: Found[] = [];

  constructor(subject: Subject, kind: Kind, { boundMicros, packed, seed }: SearchOptions) {
    this.#subject = subject;
    this.#ways = referenceWays(subject, kind, packed);
    this.#boundMicros = boundMicros;
    this.#random = new Random(seed);
  }

  async look(input: HostileInput, recipe: Recipe | undefined): Promise<void> {
    for (const way of this.#ways) {
      this.#found.push({ input, recipe, cost: await this.#subject.costOf(way, input, this.#boundMicros) });
    }
  }

  async vary(): Promise<void> {
    const measure = this.#random.pick([byCpu, byCpuPerByte]);
    const parents = this.#found.toSorted((a, b) => measure(b) - measure(a)).slice(0, PARENTS);
    const { input, recipe } = this.#random.pick(parents);
    const next = recipe && variation(recipe, this.#random);
    if (next !== undefined) await this.look(inputOf(next, randomOf), next);
    else await this.look(mutated(input, this.#random), undefined);
  }

  /** The most expensive inputs by each measure, each shape once. */
  mostExpensive(): Found[] {
    const kept = new Set<Found>();
    for (const measure of [byCpu, byCpuPerByte]) {
      const shapes = new Set<string>();
      for (const each of this.#found.toSorted((a, b) => measure(b) - measure(a))) {
        if (shapes.size >= KEPT_A_KIND) break;
        const shape = each.recipe?.shape ?? each.input.name;
        if (!shapes.has(shape)) kept.add(each);
        shapes.add(shape);
      }
    }
    return [...kept].sort((a, b) => byCpu(b) - byCpu(a));
  }
}

/** The mutated input, not longer than the gateway reads. */
function mutated(input: HostileInput, random: Random): HostileInput {
  const bytes = mutate(input.bytes, random).slice(0, bytesMaxOf(input.kind));
  return { ...input, name: `${input.name}, mutated`, bytes };
}

/** The shortest ways to a kind's parser. All other ways use the same parser. */
function referenceWays(subject: Subject, kind: Kind, packed: boolean): Way[] {
  const probe = { name: "", kind, bytes: new Uint8Array(0) };
  const carrying = waysOf(subject.entrance).filter((way) => carries(way, probe));
  if (kind === "base64") return carrying.filter(({ call, encoding }) => call === "ExecuteCommand" && encoding === undefined);
  const all = carrying.filter(({ framed }) => !framed);
  if (kind === "rest") return all.filter(({ call }) => call === "send code" || call === "confirm code");
  const main = all.filter(({ call, codec }) => call === "ExecuteCommand" && (codec === "proto" || kind === "json"));
  if (kind === "json" || kind === "proto")
    return main.filter(({ encoding }) => encoding === undefined || (packed && encoding === "zstd"));
  return main.filter(({ encoding }) => encoding === (kind === "head" ? undefined : kind));
}
