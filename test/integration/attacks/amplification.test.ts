import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { REFUSALS } from "../../../src/core/refusal.ts";
import { type Gateways, startGateways } from "../../bench/amplification/gateways.ts";
import { Subject } from "../../bench/amplification/subject.ts";
import { readCorpus } from "../../fuzz/hostile/corpus.ts";
import type { HostileInput } from "../../fuzz/hostile/input.ts";
import { carries, ENTRANCES, type Entrance, type Way, waysOf } from "../../fuzz/hostile/ways.ts";

/** Every input of the corpus over every entrance: refused, at a bounded cost. `bun run bench amplification` holds the exact bounds. */

/** Per counted failure: five times the bound of the benchmark, because tests may run on a loaded machine. */
const GENEROUS_MICROS = 10_000;

let gateways: Gateways;
beforeAll(async () => {
  gateways = await startGateways();
}, 60_000);
afterAll(() => gateways.stop());

/** One call per kind of message. The other calls use the same decoders. */
function waysFor(entrance: Entrance): Way[] {
  const calls = ["ExecuteCommand", "send code", "confirm code"];
  return waysOf(entrance).filter(({ call, encoding }) => calls.includes(call) && encoding !== "zstd");
}

const CODES = [...new Set(Object.values(REFUSALS).map(({ code }) => code))];
const REST_CODES = ["invalid_request", "payload_too_large", "rate_limited", "unsupported_media_type", "backend_bad_response"];
const GRPC_STATUSES = /grpc-status(": ?"|: ?)(3|4|8|9|12|13|14|16)\b/;

/** The answer of gRPC-Web text is in base64, after its headers. */
function readable(text: string): string {
  if (!text.includes("application/grpc-web-text+proto")) return text;
  return Buffer.from(text.split("\n").slice(1).join(""), "base64").toString("latin1");
}

/** What is wrong with an answer, if anything. Bun itself refuses a header section that is too long. */
function wrong(way: Way, input: HostileInput, { status, text }: { status: number; text: string }): string | undefined {
  if (input.kind === "head" && (status === 0 || status >= 400)) return undefined;
  const codes = way.codec === "rest" ? REST_CODES : CODES;
  if (codes.some((code) => text.includes(`"code":"${code}"`)) || GRPC_STATUSES.test(readable(text))) return undefined;
  return `${way.name}, ${input.name}: ${status} ${text.slice(0, 200)}`;
}

const CORPUS = readCorpus();

test("there is a corpus, of every kind", () => {
  expect(new Set(CORPUS.map(({ kind }) => kind))).toEqual(
    new Set(["json", "proto", "rest", "head", "base64", "gzip", "br", "zstd"]),
  );
  expect(CORPUS.map(({ name }) => name)).toContain("timestampMs: digits in quotes, 524288 bytes");
});

describe.each(ENTRANCES)("$name", (entrance) => {
  test("every input of the corpus is refused, for little, and the next request is answered", async () => {
    const subject = new Subject(gateways.of("roomy", entrance.port), entrance);
    const found: string[] = [];
    for (const way of waysFor(entrance)) {
      for (const input of CORPUS.filter((each) => carries(way, each))) {
        const bad = wrong(way, input, await subject.send(way, input));
        if (bad !== undefined) found.push(bad);
        const { cpuMicros, failures } = await subject.costOf(way, input, GENEROUS_MICROS);
        if (cpuMicros / failures > GENEROUS_MICROS) found.push(`${way.name}, ${input.name}: ${cpuMicros} us of CPU`);
      }
    }
    expect(found.slice(0, 10)).toEqual([]);
    subject.close();
  }, 60_000);
});
