import { Code, ConnectError } from "@connectrpc/connect";
import { unreachableText } from "../diagnosis/rest-probe.ts";
import { openPushLink, type PushLink, type PushTransportOptions } from "./push-transport.ts";

export interface FeedProbeOptions extends PushTransportOptions {
  readonly gatewayId: string;
  /** Timeout for opening the connection, in ms. After that, the wait for the first message has a new timeout of the same length. */
  readonly timeoutMs: number;
}

export interface FeedProbe {
  /** What is wrong, and what to change. `undefined` if a message arrived. */
  readonly problem: string | undefined;
  /** True if the stream was opened and did not fail. The only possible problem is then that no message arrived. */
  readonly isOpen: boolean;
}

/** Opens one stream, waits for its first message, and closes it. Subscribes to new events only. Never rejects. */
export async function probeFeed(options: FeedProbeOptions): Promise<FeedProbe> {
  const link = openPushLink({ ...options, connectTimeoutMs: options.timeoutMs });
  try {
    await link.connect();
    return await firstMessage(link, options);
  } catch (thrown) {
    return { problem: await explain(ConnectError.from(thrown), link), isOpen: false };
  } finally {
    link.close();
  }
}

async function firstMessage(link: PushLink, { gatewayId, timeoutMs }: FeedProbeOptions): Promise<FeedProbe> {
  const signal = AbortSignal.timeout(timeoutMs);
  let isOpen = false;
  const onHeader = () => {
    isOpen = true;
  };
  try {
    for await (const _ of link.subscribe({ gatewayId, cursor: "" }, { signal, onHeader }))
      return { problem: undefined, isOpen };
    return { problem: "it ended the stream without a message; look into the backend's log", isOpen };
  } catch (thrown) {
    if (signal.aborted && isOpen) return { problem: silence(timeoutMs), isOpen };
    if (signal.aborted)
      return {
        problem: (await link.explain(ConnectError.from(thrown), AbortSignal.timeout(timeoutMs))) ?? silence(timeoutMs),
        isOpen,
      };
    throw thrown;
  }
}

function silence(timeoutMs: number): string {
  return `no message arrived within ${timeoutMs} ms; the backend must send a keepalive when a gateway subscribes`;
}

async function explain(error: ConnectError, link: PushLink): Promise<string> {
  const hint = await link.explain(error, new AbortController().signal);
  if (hint !== undefined) return hint;
  const [code] = /ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH/.exec(error.rawMessage) ?? [];
  if (code !== undefined) return unreachableText(code, "push.url");
  return `the stream failed (${Code[error.code]}: ${error.rawMessage}); look into the backend's log`;
}
