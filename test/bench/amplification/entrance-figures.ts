import { UNPACKED_BYTES_FREE } from "../../../src/rpc/limits.ts";
import type { HostileInput } from "../../fuzz/hostile/input.ts";
import { carries, requestOn, sentBytes, type Way } from "../../fuzz/hostile/ways.ts";
import { BARE_CONNECTIONS, type WireInput } from "../../fuzz/hostile/wire-shapes.ts";
import type { Figure } from "../benchmark.ts";
import { machineFactor } from "../machine.ts";
import type { Cost, Subject } from "./subject.ts";

/** Maximum CPU per request and counted failure. An uncompressed message counts as one failure, a long compressed one as several. */
export const REQUEST_MICROS_MAX = 2000;
/** Maximum CPU once the failure budget is empty, in addition to receiving the bytes. */
const REFUSED_MICROS_MAX = 500;
const RECEIVE_MICROS_PER_BYTE = 0.002;
/** Maximum CPU per byte, as a multiple of the CPU per byte of a small request. */
const CPU_PER_BYTE_MAX = 10;
/** Maximum CPU per byte that belongs to no request or to a refused one: 1 MB/s uses a twentieth of a core. */
const FLOOD_NANOS_MAX = 50;
/** Maximum memory per byte sent. A short request is counted with the bytes that any request may use or unpack to. */
const MEMORY_PER_BYTE_MAX = 8;
const REQUEST_BYTES_FREE = 16 * 1024;

/** What is measured on one entrance. */
export interface Trial {
  readonly ways: readonly Way[];
  readonly wires: readonly WireInput[];
  /** Most expensive first. */
  readonly inputs: readonly HostileInput[];
  /** Concurrent requests of the memory figure. */
  readonly atOnce: number;
  /** A cost clearly below this is measured once. */
  readonly boundMicros: number;
}

/** The reference for the CPU per byte: a small request that is decoded and refused. */
const SMALL: HostileInput = { name: "a small request", kind: "json", bytes: new TextEncoder().encode('{"envelope":{}}') };

/** Every input is sent to these calls. The other calls use the same decoders and get only the most expensive inputs. */
const MAIN_CALLS = ["ExecuteCommand", "SubscribeEvents", "send code", "confirm code"];
const ELSEWHERE_A_KIND = 2;

function inputsOn(way: Way, inputs: readonly HostileInput[]): HostileInput[] {
  const carried = inputs.filter((input) => carries(way, input));
  // The header section is read before the message, whatever its encoding.
  const heads = (input: HostileInput) => input.kind !== "head" || way.encoding === undefined;
  if (MAIN_CALLS.includes(way.call)) return carried.filter(heads);
  return Object.values(Object.groupBy(carried, ({ kind }) => kind)).flatMap((ofKind) => ofKind.slice(0, ELSEWHERE_A_KIND));
}

/** Costs of an unverified peer whose failure budget is not empty. */
export async function unverifiedFigures(subject: Subject, trial: Trial): Promise<Figure[]> {
  const { name } = subject.entrance;
  const perByte = await smallRequest(subject, trial);
  const costs: Cost[] = [];
  for (const way of trial.ways) {
    for (const input of inputsOn(way, trial.inputs)) costs.push(await subject.costOf(way, input, trial.boundMicros));
  }
  const floods: Cost[] = [];
  const connectionMicros = await connectionCost(subject);
  for (const wire of trial.wires.filter(({ http }) => http === subject.entrance.http)) {
    const cost = await subject.wireCostOf(wire, trial.boundMicros);
    (wire.requests > 0 ? costs : floods).push(without(connectionMicros, cost));
  }
  return [
    await worst(`${name}: CPU of a request`, "ms", (REQUEST_MICROS_MAX * machineFactor()) / 1000, costs, perFailure),
    await worst(`${name}: CPU of a byte / of a small request's`, "ratio", CPU_PER_BYTE_MAX, costs, (cost) => {
      return cost.cpuMicros / cost.sentBytes / perByte;
    }),
    await worst(`${name}: CPU of a flood, per byte`, "ns", FLOOD_NANOS_MAX, floods, (cost) => {
      return (cost.cpuMicros * 1000) / cost.sentBytes;
    }),
  ];
}

async function connectionCost(subject: Subject): Promise<number> {
  const bare = BARE_CONNECTIONS.find(({ http }) => http === subject.entrance.http);
  return bare === undefined ? 0 : (await subject.wireCostOf(bare, 0)).cpuMicros;
}

/** A difference of two measurements may be negative. */
function atLeastOne(micros: number): number {
  return Math.max(1, micros);
}

/** The cost without the connection's own. */
function without(connectionMicros: number, cost: Cost): Cost {
  const again = async () => without(connectionMicros, await cost.again());
  return { ...cost, cpuMicros: atLeastOne(cost.cpuMicros - connectionMicros), again };
}

function perFailure({ cpuMicros, failures }: Cost): number {
  return cpuMicros / failures / 1000;
}

/** CPU per byte of the small request, in microseconds. */
async function smallRequest(subject: Subject, { ways }: Trial): Promise<number> {
  const [way] = ways.filter((each) => carries(each, SMALL));
  if (way === undefined) return Number.NaN;
  const { cpuMicros, sentBytes: bytes } = await subject.costOf(way, SMALL, 0);
  return cpuMicros / bytes;
}

/** Costs of a peer whose failure budget is empty. */
export async function refusedFigures(subject: Subject, trial: Trial): Promise<Figure[]> {
  const costs: Cost[] = [];
  for (const way of trial.ways.filter(({ call }) => MAIN_CALLS.includes(call))) {
    for (const input of inputsOn({ ...way, call: "" }, trial.inputs))
      costs.push(await subject.refusedCostOf(way, input, REFUSED_MICROS_MAX));
  }
  const figure = `${subject.entrance.name}: CPU of a request of a refused peer`;
  const besideReceiving = ({ cpuMicros, sentBytes: bytes }: Cost) =>
    atLeastOne(cpuMicros - bytes * RECEIVE_MICROS_PER_BYTE) / 1000;
  return [await worst(figure, "ms", (REFUSED_MICROS_MAX * machineFactor()) / 1000, costs, besideReceiving)];
}

/** Peak memory of concurrent requests per byte sent. */
export async function memoryFigures(subject: Subject, { ways, inputs, atOnce }: Trial): Promise<Figure[]> {
  const growths: Growth[] = [];
  const measured = ways.filter(({ call, framed, isBase64, encoding }) => {
    return MAIN_CALLS.includes(call) && (!framed || isBase64) && (encoding === undefined || encoding === "br");
  });
  for (const way of measured) {
    for (const input of inputsOn({ ...way, call: "" }, inputs)) growths.push(await growthOf(subject, way, input, atOnce));
  }
  const figure = `${subject.entrance.name}: memory at the peak, per byte`;
  return [await worst(figure, "bytes", MEMORY_PER_BYTE_MAX, growths, ({ perByte }) => perByte)];
}

interface Growth extends Measured<Growth> {
  readonly perByte: number;
}

async function growthOf(subject: Subject, way: Way, input: HostileInput, atOnce: number): Promise<Growth> {
  const request = requestOn(way, input);
  const bytes = sentBytes(request);
  const free = way.encoding === undefined ? REQUEST_BYTES_FREE : UNPACKED_BYTES_FREE;
  const look = async () => (await subject.growthBytes(request, atOnce)) / atOnce / (bytes + free);
  const of = (perByte: number): Growth => ({
    what: `${way.name}: ${input.name}`,
    sentBytes: bytes,
    perByte,
    again: async () => of(Math.min(perByte, await look())),
  });
  return of(await look());
}

/** One of the measurements that a figure is the maximum of. */
interface Measured<M> {
  readonly what: string;
  readonly sentBytes: number;
  readonly again: () => Promise<M>;
}

/** Measurements printed for a bound that does not hold. */
const NAMED_MAX = 8;

/** The maximum. A measurement over the bound is taken again after all others. */
async function worst<M extends Measured<M>>(
  figure: string,
  unit: string,
  bound: number,
  all: readonly M[],
  value: (measured: M) => number,
): Promise<Figure> {
  const measured: M[] = [];
  for (const each of all) measured.push(value(each) > bound ? { ...each, ...(await each.again()) } : each);
  const sorted = measured.toSorted((a, b) => value(b) - value(a));
  const over = sorted.filter((each) => value(each) > bound);
  for (const each of over.slice(0, NAMED_MAX)) {
    console.error(`${figure}: ${value(each).toFixed(2)} ${unit}, ${each.what}, ${Math.round(each.sentBytes)} bytes sent`);
  }
  if (over.length > NAMED_MAX) console.error(`${figure}: and ${over.length - NAMED_MAX} more over the bound`);
  return { figure, value: sorted[0] === undefined ? Number.NaN : value(sorted[0]), unit, bound };
}
