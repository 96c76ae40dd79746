import { describe, expect, test } from "bun:test";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { ExecuteCommandRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { codecsOf } from "../../src/rpc/codec.ts";
import { JSON_NAME_BYTES_MAX, JSON_NUMBER_CHARACTERS_MAX, PROTO_FIELDS_MAX } from "../../src/rpc/limits.ts";
import { Chance } from "./fuzzer.ts";
import { jsonCase, type MessageCase, protoCase } from "./messages.ts";

/**
 * What the gateway reads, against what protobuf-es reads by itself: the same message, or refused by both, unless a bound of the contract
 * is passed; and in no more time. A million cases: SALLYPORT_DECODING_CASES=1000000 bun test test/fuzz/decoding.test.ts --timeout 600000;
 * the same ones again: SALLYPORT_FUZZ_SEED.
 */

const SEED = Number(Bun.env["SALLYPORT_FUZZ_SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
const CASES = Number(Bun.env["SALLYPORT_DECODING_CASES"] ?? 10_000);
const TIMEOUT_MS = 60_000 + CASES;

/** What the contract lets any request cost. */
const MS_MAX = 2;
/** What else the machine does only ever adds to a measurement. */
const MEASUREMENTS_MAX = 8;
/** Of messages as clients write them, all together. It is about a half, and two thirds in JSON; the rest is for what else the machine does. */
const TIMES_AS_LONG_MAX = 1.2;

const codecs = codecsOf(ExecuteCommandRequestSchema);
const utf8 = new TextDecoder("utf-8", { fatal: true });
const REFUSED = Symbol("refused");

interface Decoder {
  readonly codec: "proto" | "json";
  readonly caseOf: (chance: Chance) => MessageCase;
  readonly reference: (bytes: Uint8Array) => unknown;
  /** Whether a bound of the contract may have been passed. */
  readonly mayBeBeyond: (bytes: Uint8Array) => boolean;
}

const DECODERS: readonly Decoder[] = [
  {
    codec: "proto",
    caseOf: protoCase,
    reference: (bytes) => fromBinary(ExecuteCommandRequestSchema, bytes, { readUnknownFields: false }),
    mayBeBeyond: (bytes) =>
      bytes.byteLength > PROTO_FIELDS_MAX || /[\x80-\xff]{10}/.test(Buffer.from(bytes).toString("latin1")),
  },
  {
    codec: "json",
    caseOf: jsonCase,
    reference: (bytes) => fromJsonString(ExecuteCommandRequestSchema, utf8.decode(bytes), { ignoreUnknownFields: true }),
    mayBeBeyond: (bytes) => BEYOND_JSON.test(Buffer.from(bytes).toString("latin1")),
  },
];
const BEYOND_JSON = new RegExp(`[^\\s,:"{}[\\]]{${JSON_NUMBER_CHARACTERS_MAX + 1}}|"[^"]{${JSON_NAME_BYTES_MAX + 1}}`);

/** What came out, and how long it took. */
function run(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): { readonly result: unknown; readonly ms: number } {
  const startedAt = Bun.nanoseconds();
  let result: unknown = REFUSED;
  try {
    result = decode(bytes);
  } catch {
    // Why it is refused is nobody's to compare.
  }
  return { result, ms: (Bun.nanoseconds() - startedAt) / 1e6 };
}

/** The least of a few measurements, where the first is too long. */
function leastMs(firstMs: number, decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): number {
  let ms = firstMs;
  for (let again = 1; ms > MS_MAX && again < MEASUREMENTS_MAX; again++) ms = Math.min(ms, run(decode, bytes).ms);
  return ms;
}

describe(`seed ${SEED}`, () => {
  test.each(DECODERS)(
    `$codec: ${CASES} messages are read as protobuf-es reads them, and as fast`,
    ({ codec, caseOf, reference, mayBeBeyond }) => {
      const { decode } = codecs[codec];
      const chance = new Chance(SEED);
      const usualMs = { ours: 0, reference: 0 };
      const seen = { read: 0, refused: 0, beyond: 0 };
      for (let n = 0; n < CASES; n++) {
        const { bytes, isUsual } = caseOf(chance);
        const expected = run(reference, bytes);
        const actual = run(decode, bytes);
        const isBeyond = actual.result === REFUSED && expected.result !== REFUSED && mayBeBeyond(bytes);
        if (!isBeyond && !Bun.deepEquals(actual.result, expected.result)) {
          expect({ bytes: bytes.toHex(), read: actual.result }).toEqual({ bytes: bytes.toHex(), read: expected.result });
        }
        const ms = leastMs(actual.ms, decode, bytes);
        if (ms > MS_MAX) expect({ bytes: bytes.toHex(), ms }).toEqual({ bytes: bytes.toHex(), ms: MS_MAX });
        if (isUsual) {
          usualMs.ours += ms;
          usualMs.reference += leastMs(expected.ms, reference, bytes);
        }
        seen[isBeyond ? "beyond" : actual.result === REFUSED ? "refused" : "read"]++;
      }
      expect(usualMs.ours).toBeLessThan(usualMs.reference * TIMES_AS_LONG_MAX);
      // A generator that makes nothing of a kind would show nothing.
      expect(seen.read).toBeGreaterThan(CASES / 4);
      expect(seen.refused).toBeGreaterThan(CASES / 20);
    },
    TIMEOUT_MS,
  );
});
