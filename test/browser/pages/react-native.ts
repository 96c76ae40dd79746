import { SallyportClient, type SallyportClientOptions } from "../../../src/client/client.ts";
import { confirmEmailCode, type SessionCredentials, sendEmailCode } from "../../../src/client/login.ts";
import type { Subscription } from "../../../src/client/subscription.ts";
import type { StreamSettings } from "../../../src/client/subscriptions.ts";
import { generateDeviceKey } from "../../../src/client/webcrypto-key.ts";

/** A page with the web APIs of React Native: no WebCrypto, whole bodies only, and signals of an older standard. */

export function becomeReactNative(): void {
  Object.defineProperty(crypto, "subtle", { value: undefined });
  Reflect.deleteProperty(Response.prototype, "body");
  for (const name of ["any", "timeout"]) Reflect.deleteProperty(AbortSignal, name);
  for (const name of ["reason", "throwIfAborted"]) Reflect.deleteProperty(AbortSignal.prototype, name);
  const browserFetch = globalThis.fetch;
  const fetchWhole = async (...request: Parameters<typeof fetch>) => {
    const response = await browserFetch(...request);
    return new Response(await response.arrayBuffer(), response);
  };
  globalThis.fetch = Object.assign(fetchWhole, browserFetch);
}

export function startLogin(baseUrl: string, email: string): Promise<{ challengeId: string }> {
  return sendEmailCode({ baseUrl, email });
}

let baseUrl = "";
let credentials: SessionCredentials | undefined;
let subscription: Subscription | undefined;
const received: unknown[] = [];

function client(options: Partial<SallyportClientOptions> = {}): SallyportClient {
  if (credentials === undefined) throw new Error("log in first");
  return new SallyportClient({ baseUrl, credentials, ...options });
}

export async function finishLogin(login: { baseUrl: string; challengeId: string; code: string }): Promise<string> {
  baseUrl = login.baseUrl;
  credentials = await confirmEmailCode({ ...login, deviceKey: await generateDeviceKey() });
  return credentials.deviceSessionId;
}

/** Executes a command on a device whose clock is off by `clockOffsetMs`. */
export async function execute(clockOffsetMs: number): Promise<string> {
  return (await client({ now: () => Date.now() + clockOffsetMs }).execute("user.profile.get")).resultCode;
}

/** The code of a call that is aborted while it waits. */
export async function abortedPoll(): Promise<unknown> {
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 50);
  return client()
    .fetchEvents({ signal: abort.signal })
    .catch((error: unknown) => Object(error).code);
}

export function listen(transports: NonNullable<StreamSettings["transports"]>): void {
  subscription = client({ streams: { transports } }).subscribe();
  read(subscription);
}

async function read(events: Subscription): Promise<void> {
  for await (const { payload } of events) received.push(payload);
}

export function report() {
  return { state: subscription?.state, transport: subscription?.transport, received };
}

export function close(): void {
  subscription?.close();
}
