import { expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { SallyportClient, type SallyportClientOptions } from "../../../src/client/client.ts";
import { importDeviceKey } from "../../../src/client/device-key.ts";
import { type TrustCheck, UntrustedResponseError } from "../../../src/client/errors.ts";
import { GatewayKeys } from "../../../src/client/gateway-keys.ts";
import type { VerifiedEvent } from "../../../src/client/verify.ts";
import { type FakeHandlers, NOW_MS, newKeyRing, serveKeys, transportTo } from "./fake-gateway.ts";

/** A client of one session in front of a fake gateway. */

export const SESSION = "ds-1";
export const DEVICE_KEY = await importDeviceKey(randomBytes(32));
/** The gateway publishes RING and NEXT, and not FOREIGN. */
export const RING = newKeyRing();
export const NEXT = newKeyRing();
export const FOREIGN = newKeyRing();

export function clientOf(handlers: FakeHandlers, options: Partial<SallyportClientOptions> = {}): SallyportClient {
  return new SallyportClient({
    transport: transportTo(handlers),
    credentials: { deviceSessionId: SESSION, deviceKey: DEVICE_KEY },
    keys: new GatewayKeys("https://gateway.example", { fetch: serveKeys(RING, NEXT).fetch }),
    now: () => NOW_MS,
    ...options,
  });
}

/** The error that the promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => `no failure: ${JSON.stringify(value)}`,
    (error: unknown) => error,
  );
}

export async function expectUntrusted(promise: Promise<unknown>, check: TrustCheck): Promise<void> {
  const error = await failureOf(promise);
  expect(error).toBeInstanceOf(UntrustedResponseError);
  expect(error).toMatchObject({ check });
}

export async function collect(events: AsyncIterable<VerifiedEvent>): Promise<VerifiedEvent[]> {
  const all: VerifiedEvent[] = [];
  for await (const one of events) all.push(one);
  return all;
}
