import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";

export interface LossyProxyOptions {
  /** The URLs of the gateways. Each request goes to the next one, in turn. */
  readonly targets: readonly string[];
  /** The share of answers that are lost, from 0 to 1. */
  readonly lossRate: number;
  /** Only answers to these paths are lost; all paths if it is not given. */
  readonly paths?: ReadonlySet<string>;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * An HTTP/1.1 proxy that loses answers. It passes each request on completely. Of the answers that it loses, half are lost after they
 * arrived, and half while the gateway still works: the proxy then closes both connections.
 */
export interface LossyProxy {
  readonly url: string;
  /** The number of answers that were lost. */
  lost(): number;
  close(): Promise<void>;
}

export async function openLossyProxy({ targets, lossRate, paths, random }: LossyProxyOptions): Promise<LossyProxy> {
  let requests = 0;
  let lost = 0;
  const server = createServer(async (incoming, outgoing) => {
    const target = targets[requests++ % targets.length] ?? "";
    const mayBeLost = paths === undefined || paths.has(incoming.url ?? "");
    const isLost = mayBeLost && random() < lossRate;
    const isCut = isLost && random() < 0.5;
    if (isLost) lost++;
    try {
      await pass(incoming, outgoing, target, { isLost, isCut });
    } catch {
      outgoing.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy does not listen");
  return {
    url: `http://127.0.0.1:${address.port}`,
    lost: () => lost,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: string,
  { isLost, isCut }: { readonly isLost: boolean; readonly isCut: boolean },
): Promise<void> {
  const { promise: answered, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { method, headers } = incoming;
  const inner = httpRequest(`${target}${incoming.url}`, { method, headers, agent: false }, resolve);
  inner.on("error", reject);
  const body = await bytesOf(incoming);
  await new Promise<void>((sent) => inner.end(body, sent));
  if (isCut) {
    answered.catch(() => {});
    await new Promise(setImmediate);
    inner.destroy();
    outgoing.destroy();
    return;
  }
  const answer = await answered;
  const answerBody = await bytesOf(answer);
  if (isLost) return void outgoing.destroy();
  outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders).end(answerBody);
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}
