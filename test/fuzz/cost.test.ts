import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fromBinary, toJsonString } from "@bufbuild/protobuf";
import { ExecuteCommandRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame } from "../../src/rpc/frame.ts";
import { type Gateways, startGateways } from "../bench/amplification/gateways.ts";
import { Subject } from "../bench/amplification/subject.ts";
import { command } from "../support/load-device.ts";
import { type Attempt, CostOracle } from "./cost-oracle.ts";
import { mutate, Random } from "./fuzzer.ts";
import { everyRecipe, inputOf, variation } from "./hostile/grammar.ts";
import type { HostileInput } from "./hostile/input.ts";
import { carries, ENTRANCES, type Entrance, type Way, waysOf } from "./hostile/ways.ts";
import { http1Wire, http2Wire } from "./wire.ts";

/**
 * Mutated requests, recipes of the grammar and mutated connections. An oracle measures what each costs the gateway's process. To repeat a
 * run, or for a longer one: SALLYPORT_FUZZ_SEED=… SALLYPORT_FUZZ_MINUTES=… bun test test/fuzz/cost.test.ts
 */

const SEED = Number(Bun.env["SALLYPORT_FUZZ_SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
const RUNS = Number(Bun.env["SALLYPORT_FUZZ_RUNS"] ?? 100);
/** Duration in all. Without it: RUNS inputs per entrance. */
const MINUTES = Number(Bun.env["SALLYPORT_FUZZ_MINUTES"] ?? 0);
/** Per counted failure. A timed run uses the bound of `bun run bench amplification`; the tests allow for a loaded machine. */
const CPU_MICROS_MAX = MINUTES > 0 ? 2000 : 10_000;
/** Of a round. */
const PEAK_BYTES_MAX = 96 * 1024 * 1024;
/** Inputs between two looks at the memory. */
const ROUND = 50;
const WARM_UPS = 60;
const TIMEOUT_MS = MINUTES * 60_000 + 120_000;

let gateways: Gateways;
beforeAll(async () => {
  gateways = await startGateways();
}, 60_000);
afterAll(() => gateways.stop());

const RECIPES = everyRecipe();
const utf8 = new TextEncoder();

function validMessage(codec: Way["codec"]): Uint8Array {
  const proto = command("ds-1", "user.profile.get");
  if (codec === "proto") return proto;
  if (codec === "json")
    return utf8.encode(toJsonString(ExecuteCommandRequestSchema, fromBinary(ExecuteCommandRequestSchema, proto)));
  return utf8.encode('{"challenge_id":"c-1","code":"123456","client_public_key":"AA==","metadata":{"device":"phone"}}');
}

function anyAttempt(subject: Subject, ways: readonly Way[], random: Random): Attempt {
  if (random.below(8) === 0) return wireAttempt(subject, random);
  const way = random.pick(ways);
  const input = random.below(2) === 0 ? mutatedInput(way, random) : grammarInput(way, random);
  return {
    what: `${way.name}: ${input.name}, ${Buffer.from(input.bytes.subarray(0, 300)).toString("base64")}`,
    cost: () => subject.costOf(way, input, CPU_MICROS_MAX),
  };
}

function wireAttempt(subject: Subject, random: Random): Attempt {
  const { entrance } = subject;
  const bytes = (entrance.http === "1.1" ? http1Wire : http2Wire)(random);
  const wire = { name: "", http: entrance.http, bytes, requests: 1 };
  return {
    what: `${entrance.name}: ${Buffer.from(bytes).toString("base64")}`,
    cost: () => subject.wireCostOf(wire, CPU_MICROS_MAX),
  };
}

function mutatedInput(way: Way, random: Random): HostileInput {
  // Mutates base64 too, not only what is in it.
  if (way.isBase64 && way.encoding === undefined && random.below(2) === 0) {
    const text = Buffer.from(encodeFrame(0, validMessage("proto")).toBase64());
    return { name: "valid base64, mutated", kind: "base64", bytes: Buffer.from(mutate(text, random)) };
  }
  return { name: "a valid message, mutated", kind: way.codec, bytes: Buffer.from(mutate(validMessage(way.codec), random)) };
}

function grammarInput(way: Way, random: Random): HostileInput {
  const probe = (kind: HostileInput["kind"]) => ({ name: "", kind, bytes: new Uint8Array(0) });
  let recipe = random.pick(RECIPES.filter(({ kind }) => carries(way, probe(kind))));
  for (let times = random.below(4); times > 0; times--) recipe = variation(recipe, random);
  return inputOf({ ...recipe, seed: random.below(1_000_000) }, (seed) => new Random(seed));
}

/** Rounds until the time is up; gives every find. */
async function fuzz(entrance: Entrance, untilMs: number): Promise<string[]> {
  const child = gateways.of("roomy", entrance.port);
  const subject = new Subject(child, entrance);
  const oracle = new CostOracle(CPU_MICROS_MAX, PEAK_BYTES_MAX, child);
  await subject.warmUp(WARM_UPS);
  const ways = waysOf(entrance);
  const random = new Random(SEED);
  let runs = 0;
  do {
    await oracle.round(Array.from({ length: ROUND }, () => anyAttempt(subject, ways, random)));
    runs += ROUND;
  } while (MINUTES > 0 ? performance.now() < untilMs : runs < RUNS);
  subject.close();
  console.log(`${entrance.name}: ${runs} inputs; ${oracle.summary()}`);
  return oracle.finds.map((find) => `seed ${SEED}: ${find}`);
}

describe(`seed ${SEED}`, () => {
  test.each(ENTRANCES)(
    "$name: no input costs more than it may",
    async (entrance) => {
      const untilMs = performance.now() + (MINUTES * 60_000) / ENTRANCES.length;
      expect((await fuzz(entrance, untilMs)).slice(0, 5)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
