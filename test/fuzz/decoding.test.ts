import { describe, expect, test } from "bun:test";
import { fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { ExecuteCommandRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { codecsOf } from "../../src/rpc/codec.ts";
import { JSON_NAME_BYTES_MAX, JSON_NUMBER_CHARACTERS_MAX, PROTO_FIELDS_MAX } from "../../src/rpc/limits.ts";
import { Random } from "./fuzzer.ts";
import { jsonCase, type MessageCase, protoCase } from "./messages.ts";

/**
 * Compares the gateway's decoders with protobuf-es. Both return the same message or both refuse, unless the input exceeds a bound of the
 * contract. The gateway's decoder needs no more time. For a million cases:
 * `SALLYPORT_DECODING_CASES=1000000 bun test test/fuzz/decoding.test.ts --timeout 600000`. SALLYPORT_FUZZ_SEED repeats a run.
 */

const SEED = Number(Bun.env["SALLYPORT_FUZZ_SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
const CASES = Number(Bun.env["SALLYPORT_DECODING_CASES"] ?? 10_000);
const TIMEOUT_MS = 60_000 + CASES;

/** The time bound of the contract for one request. */
const MS_MAX = 2;
/** A slow measurement is repeated, because other load only adds time. */
const MEASUREMENTS_MAX = 8;
/** The bound of our time / protobuf-es time, over all usual messages. Measured: 0.5, and 0.67 for JSON. The rest is for other load. */
const TIME_RATIO_MAX = 1.2;

const codecs = codecsOf(ExecuteCommandRequestSchema);
const utf8 = new TextDecoder("utf-8", { fatal: true });
const REFUSED = Symbol("refused");

interface Decoder {
  readonly codec: "proto" | "json";
  readonly caseOf: (random: Random) => MessageCase;
  readonly reference: (bytes: Uint8Array) => unknown;
  /** Whether the input may exceed a bound of the contract. */
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

/** The result of decoding and its time. */
function run(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): { readonly result: unknown; readonly ms: number } {
  const startedAt = Bun.nanoseconds();
  let result: unknown = REFUSED;
  try {
    result = decode(bytes);
  } catch {
    // The reasons of refusals are not compared.
  }
  return { result, ms: (Bun.nanoseconds() - startedAt) / 1e6 };
}

/** The minimum of a few measurements if the first is too slow. */
function leastMs(firstMs: number, decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): number {
  let ms = firstMs;
  for (let again = 1; ms > MS_MAX && again < MEASUREMENTS_MAX; again++) ms = Math.min(ms, run(decode, bytes).ms);
  return ms;
}

describe(`seed ${SEED}`, () => {
  test.each(DECODERS)(
    `$codec: ${CASES} messages are decoded as by protobuf-es, and as fast`,
    ({ codec, caseOf, reference, mayBeBeyond }) => {
      const { decode } = codecs[codec];
      const random = new Random(SEED);
      const usualMs = { ours: 0, reference: 0 };
      const seen = { read: 0, refused: 0, beyond: 0 };
      for (let n = 0; n < CASES; n++) {
        const { bytes, isUsual } = caseOf(random);
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
      expect(usualMs.ours).toBeLessThan(usualMs.reference * TIME_RATIO_MAX);
      // The generator must make enough messages of each kind.
      expect(seen.read).toBeGreaterThan(CASES / 4);
      expect(seen.refused).toBeGreaterThan(CASES / 20);
    },
    TIMEOUT_MS,
  );
});
