import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, openWorld, type World } from "../support/world.ts";

/** Proxies learn from the response headers of a stream that they must not buffer and not compress it. */

const UNBUFFERED = { buffering: "no", cache: "no-transform" };
const AS_USUAL = { buffering: null, cache: null };

describe.each(["own-port", "same-port"] as const)("edge.grpc = %s", (mode) => {
  let world: World;
  let device: Device;

  beforeAll(async () => {
    world = await openWorld({ "edge.grpc": mode });
    device = await world.login();
  });
  afterAll(() => world.close());

  const clientOf = (name: string) => {
    const variant = VARIANTS.find((each) => each.name === name);
    if (variant === undefined) throw new Error(`no variant ${name}`);
    return createClient(Gateway, world.transport(variant));
  };
  const sign = (type: string, payload = "") => device.signer.sign(type, Buffer.from(payload));
  const names = VARIANTS.map(({ name }) => name);

  test.each(names)("%s: a stream has them, and so has a refused one", async (name) => {
    const ended = new AbortController();
    const headers: unknown[] = [];
    const onHeader = (header: Headers) => {
      headers.push({ buffering: header.get("x-accel-buffering"), cache: header.get("cache-control") });
    };
    const { subscribeEvents } = clientOf(name);
    const accepted = subscribeEvents(await sign("gateway.subscribe"), { onHeader, signal: ended.signal });
    await accepted[Symbol.asyncIterator]().next();
    ended.abort();
    const refused = subscribeEvents(await sign("user.profile.get"), { onHeader })[Symbol.asyncIterator]();
    expect(await refused.next().catch(() => "refused")).toBe("refused");
    expect(headers[0]).toEqual(UNBUFFERED);
    // A refusal over gRPC can be headers only, which connect-es shows as an error.
    for (const header of headers.slice(1)) expect(header).toEqual(UNBUFFERED);
  });

  test.each(names)("%s: the answer to a command and to a poll has not", async (name) => {
    const headers: unknown[] = [];
    const onHeader = (header: Headers) => {
      headers.push({ buffering: header.get("x-accel-buffering"), cache: header.get("cache-control") });
    };
    const { executeCommand, fetchEvents } = clientOf(name);
    await executeCommand(await sign("user.profile.get"), { onHeader });
    await fetchEvents(await sign("gateway.fetch", '{"wait_ms":0}'), { onHeader });
    expect(headers).toEqual([AS_USUAL, AS_USUAL]);
  });
});
