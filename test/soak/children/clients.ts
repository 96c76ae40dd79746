/** The soak's clients: they connect and disconnect, or hold streams until `release`. */
import { answerParent, parameters } from "../child.ts";
import type { ListenerName } from "../disconnect-kind.ts";
import { CARRIERS, KINDS } from "../disconnect-kinds.ts";

interface Parameters {
  readonly host: string;
  readonly ports: Readonly<Record<ListenerName, number>>;
  readonly tls: boolean;
}

const { host, ports, tls } = parameters<Parameters>();
/** Concurrent clients. */
const CONCURRENCY = 48;
const held: { reset(): void }[] = [];

async function inParallel(times: number, act: () => Promise<void>): Promise<void> {
  let left = times;
  const worker = async () => {
    while (left-- > 0) await act();
  };
  await Promise.all(Array.from({ length: Math.min(times, CONCURRENCY) }, worker));
}

const targetOf = (listener: ListenerName) => ({ host, port: ports[listener], tls });

const answers = {
  /** Runs at least this many cycles of a kind. Returns the cycles and streams. */
  async disconnect({ name, cycles }: { readonly name: string; readonly cycles: number }) {
    const kind = KINDS.find((each) => each.name === name);
    if (kind === undefined) throw new Error(`unknown kind ${name}`);
    const connections = Math.ceil(cycles / Math.max(1, kind.streams));
    await inParallel(connections, () => kind.disconnect(targetOf(kind.listener)));
    return { cycles: connections * Math.max(1, kind.streams), streams: connections * kind.streams };
  },
  /** Opens at least this many streams and holds them. Returns their number. */
  async hold({ name, streams }: { readonly name: string; readonly streams: number }) {
    const carrier = CARRIERS.find((each) => each.name === name);
    if (carrier === undefined) throw new Error(`unknown carrier ${name}`);
    let opened = 0;
    const probe = await carrier.open(targetOf(carrier.listener));
    held.push(probe);
    opened += probe.streams;
    await inParallel(Math.ceil(streams / probe.streams) - 1, async () => {
      const connection = await carrier.open(targetOf(carrier.listener));
      held.push(connection);
      opened += connection.streams;
    });
    return opened;
  },
  /** Resets the held connections. */
  release() {
    for (const connection of held.splice(0)) connection.reset();
  },
};
export type ClientsAnswers = typeof answers;
answerParent(answers);
