import { DEVICE_KEY_ALGORITHMS, type DeviceKeyAlgorithm, type VerifyingKey } from "../../src/core/keys.ts";
import { deviceKey, isStrictDeviceKey } from "../../src/crypto/device-key.ts";
import { privateKeyObject, rawPublicKey, signEd25519 } from "../../src/crypto/ed25519.ts";
import { es256DeviceKey, signEs256 } from "../support/es256-device.ts";
import { type Benchmark, type Figure, median, type Scale } from "./benchmark.ts";

/** Bound of the time of an ES256 verification, as a multiple of an Ed25519 verification. */
const VERIFY_BOUND = 1.25;
/** Bound of the time in which a session look-up creates an ES256 key, as a multiple of an Ed25519 verification. */
const PARSE_BOUND = 0.1;
/** About the size of the signing input of a command. */
const INPUT_BYTES = 180;

/** One request of one device. */
interface Sample {
  readonly raw: Uint8Array;
  readonly key: VerifyingKey;
  readonly input: Uint8Array;
  readonly signature: Uint8Array;
}

const OPERATIONS = {
  verify: (_: DeviceKeyAlgorithm, { key, input, signature }: Sample) => key.verify(input, signature),
  parse: (algorithm: DeviceKeyAlgorithm, { raw }: Sample) => deviceKey(algorithm, raw) !== undefined,
  strict: (algorithm: DeviceKeyAlgorithm, { raw }: Sample) => isStrictDeviceKey(algorithm, raw),
};
type Operation = keyof typeof OPERATIONS;

/** Per algorithm and operation: the time of each round, in µs per call. */
type Times = Record<DeviceKeyAlgorithm, Record<Operation, number[]>>;

/** The two algorithms of device keys, through the gateway's own functions. Each call of a round has another key. */
export const es256: Benchmark = {
  name: "es256",
  about: "ES256 against Ed25519: verifying a signature, creating a key at a session look-up, and checking it at a login",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const { rounds, keys } = scale === "full" ? { rounds: 41, keys: 400 } : { rounds: 1, keys: 8 };
    const samples = { EdDSA: samplesOf("EdDSA", keys), ES256: samplesOf("ES256", keys) };
    for (const algorithm of DEVICE_KEY_ALGORITHMS) measure(algorithm, samples[algorithm], emptyTimes());
    const times = emptyTimes();
    for (let round = 0; round < rounds; round++) {
      for (const algorithm of DEVICE_KEY_ALGORITHMS) measure(algorithm, samples[algorithm], times);
    }
    return figuresOf(times);
  },
};

function figuresOf(times: Times): Figure[] {
  const us = (figure: string, values: readonly number[]) => ({ figure, value: median(values), unit: "us" });
  const ratio = (values: readonly number[]) =>
    median(values.map((value, at) => value / (times.EdDSA.verify[at] ?? Number.NaN)));
  return [
    us("Ed25519: verify", times.EdDSA.verify),
    us("ES256: verify", times.ES256.verify),
    us("Ed25519: key of a look-up", times.EdDSA.parse),
    us("ES256: key of a look-up", times.ES256.parse),
    us("Ed25519: strict check of a login", times.EdDSA.strict),
    us("ES256: strict check of a login", times.ES256.strict),
    { figure: "verify, ES256 / Ed25519", value: ratio(times.ES256.verify), unit: "ratio", bound: VERIFY_BOUND },
    { figure: "ES256 key of a look-up / Ed25519 verify", value: ratio(times.ES256.parse), unit: "ratio", bound: PARSE_BOUND },
  ];
}

function measure(algorithm: DeviceKeyAlgorithm, samples: readonly Sample[], times: Times): void {
  for (const operation of ["verify", "parse", "strict"] as const) {
    const run = OPERATIONS[operation];
    const startedAt = Bun.nanoseconds();
    let done = 0;
    for (const sample of samples) if (run(algorithm, sample)) done++;
    const elapsedUs = (Bun.nanoseconds() - startedAt) / 1000;
    if (done !== samples.length) throw new Error(`${algorithm}, ${operation}: ${samples.length - done} were refused`);
    times[algorithm][operation].push(elapsedUs / samples.length);
  }
}

function emptyTimes(): Times {
  return { EdDSA: { verify: [], parse: [], strict: [] }, ES256: { verify: [], parse: [], strict: [] } };
}

function samplesOf(algorithm: DeviceKeyAlgorithm, count: number): Sample[] {
  return Array.from({ length: count }, () => {
    const input = crypto.getRandomValues(new Uint8Array(INPUT_BYTES));
    const { raw, signature } = algorithm === "ES256" ? signedByEs256(input) : signedByEd25519(input);
    const key = deviceKey(algorithm, raw);
    if (key === undefined) throw new Error(`${algorithm}: the key was refused`);
    return { raw, key, input, signature };
  });
}

function signedByEs256(input: Uint8Array) {
  const { publicKey, privateKey } = es256DeviceKey();
  return { raw: publicKey, signature: signEs256(input, privateKey) };
}

function signedByEd25519(input: Uint8Array) {
  const key = privateKeyObject(crypto.getRandomValues(new Uint8Array(32)));
  return { raw: rawPublicKey(key), signature: signEd25519(input, key) };
}
