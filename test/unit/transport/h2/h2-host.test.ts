import { afterAll, beforeAll, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { Gateway, GatewayEventSchema } from "../../../../src/gen/sallyport/v1/gateway_pb.ts";
import { serverStream } from "../../../../src/rpc/service.ts";
import { ACK, END_STREAM, FRAME, RawH2 } from "../../../support/raw-h2.ts";
import { openRpcListeners, type RpcListeners } from "../../../support/rpc-listeners.ts";
import { until } from "../../../support/until.ts";

const PATH = "/sallyport.v1.Gateway/SubscribeEvents";
const CANCEL = 8;

let listeners: RpcListeners;
beforeAll(async () => {
  const subscribe = serverStream(Gateway.method.subscribeEvents, (_, __, stream) => stream.send(create(GatewayEventSchema)));
  listeners = await openRpcListeners([subscribe]);
});
afterAll(() => listeners.close());

const requestHeaders = (contentType: string) => ({
  ":method": "POST",
  ":path": PATH,
  ":scheme": "http",
  ":authority": "gateway.example",
  "content-type": contentType,
});

test.each(["application/grpc", "application/grpc-web+proto", "application/connect+proto"])(
  "a stream that the client resets does not end with END_STREAM, over %s",
  async (contentType) => {
    const callsBefore = listeners.done.length;
    const client = new RawH2(listeners.grpc.url);
    client.headers(requestHeaders(contentType));
    client.data(new Uint8Array(5), { end: true });
    await client.first(FRAME.data);
    client.reset(CANCEL);
    client.frame(FRAME.ping, 0, 0, new Uint8Array(8));
    await until(() => client.frames.some(({ type, flags }) => type === FRAME.ping && flags === ACK), "the ping's answer");
    await until(() => listeners.done.length > callsBefore, "the call to be over");
    client.frame(FRAME.ping, 0, 0, new Uint8Array(8));
    await until(() => client.frames.filter(({ type }) => type === FRAME.ping).length === 2, "the second ping's answer");
    const ends = client.frames.filter(({ type, flags }) => type <= FRAME.headers && (flags & END_STREAM) !== 0);
    expect(ends).toEqual([]);
    client.destroy();
  },
);
