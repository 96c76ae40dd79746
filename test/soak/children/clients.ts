/** The clients of the soak: they come and go, or stay until they are told to be gone. */
import { answerParent, parameters } from "../child.ts";
import { CARRIERS, KINDS } from "../kinds.ts";
import type { ListenerName } from "../rude-kind.ts";

interface Parameters {
  readonly host: string;
  readonly ports: Readonly<Record<ListenerName, number>>;
  readonly tls: boolean;
}

const { host, ports, tls } = parameters<Parameters>();
/** Clients at a time. */
const AT_ONCE = 48;
const held: { reset(): void }[] = [];

async function inParallel(times: number, act: () => Promise<void>): Promise<void> {
  let left = times;
  const worker = async () => {
    while (left-- > 0) await act();
  };
  await Promise.all(Array.from({ length: Math.min(times, AT_ONCE) }, worker));
}

const targetOf = (listener: ListenerName) => ({ host, port: ports[listener], tls });

const answers = {
  /** So many cycles of a kind, and no fewer streams. Gives the cycles. */
  async leave({ name, cycles }: { readonly name: string; readonly cycles: number }) {
    const kind = KINDS.find((each) => each.name === name);
    if (kind === undefined) throw new Error(`there is no kind ${name}`);
    const visits = Math.ceil(cycles / Math.max(1, kind.streams));
    await inParallel(visits, () => kind.leave(targetOf(kind.listener)));
    return { cycles: visits * Math.max(1, kind.streams), streams: visits * kind.streams };
  },
  /** Opens so many streams at least, and stays. Gives their number. */
  async stay({ name, streams }: { readonly name: string; readonly streams: number }) {
    const carrier = CARRIERS.find((each) => each.name === name);
    if (carrier === undefined) throw new Error(`there is no carrier ${name}`);
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
  /** Lets go of what stays, without a FIN. */
  letGo() {
    for (const connection of held.splice(0)) connection.reset();
  },
};
export type ClientsAnswers = typeof answers;
answerParent(answers);
