import { create } from "@bufbuild/protobuf";
import { systemClock } from "../../src/core/clock.ts";
import { ANSWER_OVERHEAD_BYTES } from "../../src/core/limits.ts";
import { RequestEnvelopeSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { type AnswerPorts, answerOnce } from "../../src/pipeline/kept-answer.ts";
import { LastingCalls } from "../../src/pipeline/lasting-calls.ts";
import { type AdmittedRequest, proven } from "../../src/pipeline/proof.ts";
import { MemoryAnswerStore } from "../../src/stores/memory/answers.ts";
import { type Benchmark, type Figure, median, type Scale } from "./benchmark.ts";
import { machineFactor } from "./machine.ts";

/** The requirement: what `keep_answer_ms` may cost per command, with its answers in memory, on the reference machine. */
const BOUND_US = 5;
const COMMANDS = 2000;
const SESSIONS = 64;
const ROUTE = { timeoutMs: 5000, keepAnswerMs: 600_000 };
const REPLY = { resultCode: "ok", payloadBytes: new TextEncoder().encode(JSON.stringify({ message_id: "x".repeat(200) })) };
const SIGNAL = new AbortController().signal;
const PEER = { address: "192.0.2.1", network: "192.0.2.1" };
const KEY = { verify: () => true };

const call = () => Promise.resolve(REPLY);
const mayBeSent = () => {};

/** What a command costs more on a route with `keep_answer_ms`: its claim, its kept answer, and the same for a repeat. */
export const answers: Benchmark = {
  name: "answers",
  about:
    "CPU that keep_answer_ms costs per command with answers in memory, over a call of the backend alone, and the memory of an answer",
  async run(scale: Scale): Promise<readonly Figure[]> {
    const { rounds, live } = scale === "full" ? { rounds: 60, live: 50_000 } : { rounds: 5, live: 20_000 };
    const store = new MemoryAnswerStore(systemClock, { entriesMax: live, bytesMax: 1024 ** 3 });
    const ports = portsOf(store);
    const bytesEach = await fill(ports, live);
    const perRound: { plain: number; first: number; repeat: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const requests = Array.from({ length: COMMANDS }, (_, n) => requestOf(`round-${round}-${n}`));
      const plain = await usEach(requests, async () => void (await call()));
      const first = await usEach(
        requests,
        async (request) => void (await answerOnce(request, ROUTE, call, mayBeSent, ports, SIGNAL)),
      );
      const repeat = await usEach(
        requests,
        async (request) => void (await answerOnce(request, ROUTE, call, mayBeSent, ports, SIGNAL)),
      );
      perRound.push({ plain, first, repeat });
    }
    const bound = BOUND_US * machineFactor();
    return [
      { figure: "backend call alone", value: median(perRound.map((each) => each.plain)), unit: "us" },
      {
        figure: "a first command more",
        value: median(perRound.map((each) => each.first - each.plain)),
        unit: "us",
        bound,
      },
      { figure: "a repeat", value: median(perRound.map((each) => each.repeat)), unit: "us", bound },
      { figure: "memory of an answer besides its payload", value: bytesEach, unit: "bytes", bound: ANSWER_OVERHEAD_BYTES },
    ];
  },
};

function portsOf(answers: MemoryAnswerStore): AnswerPorts {
  return {
    answers,
    lastingCalls: new LastingCalls(),
    onAnswer() {},
    freshness: { windowMs: 60_000, marginMs: 5000 },
    clock: systemClock,
  };
}

function requestOf(idempotencyKey: string): AdmittedRequest {
  const deviceSessionId = `01a21631-8443-76d1-8722-1e1d606${Number(idempotencyKey.split("-").at(-1)) % SESSIONS}`;
  const envelope = create(RequestEnvelopeSchema, {
    protocolVersion: "v1",
    deviceSessionId,
    messageType: "chat.message.send",
    timestampMs: BigInt(Date.now()),
    requestId: Bun.randomUUIDv7(),
    payloadHash: crypto.getRandomValues(new Uint8Array(32)),
    idempotencyKey: `01a21631-8443-76d1-8722-${idempotencyKey}`,
  });
  const session = { deviceSessionId, userId: "user-1", status: "active", key: KEY } as const;
  const bytes = new Uint8Array(0);
  return proven<AdmittedRequest>({
    ...{
      rpc: "ExecuteCommand",
      peer: PEER,
      envelope,
      payloadBytes: bytes,
      signature: bytes,
      session,
      mark: 0,
      route: undefined,
    },
  });
}

/** Keeps `live` answers. Returns the memory of each, besides its payload. */
async function fill(ports: AnswerPorts, live: number): Promise<number> {
  Bun.gc(true);
  const before = process.memoryUsage().heapUsed;
  const bytes = new Uint8Array(REPLY.payloadBytes);
  for (let n = 0; n < live; n++) {
    await answerOnce(
      requestOf(`fill-${n}`),
      ROUTE,
      async () => ({ resultCode: "ok", payloadBytes: bytes }),
      mayBeSent,
      ports,
      SIGNAL,
    );
  }
  Bun.gc(true);
  return (process.memoryUsage().heapUsed - before) / live;
}

/** CPU time per operation. Unlike elapsed time, it hardly depends on other processes. */
async function usEach<T>(inputs: readonly T[], operation: (input: T) => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  for (const input of inputs) await operation(input);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / inputs.length;
}
