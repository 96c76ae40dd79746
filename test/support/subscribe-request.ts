import { create, toBinary } from "@bufbuild/protobuf";
import { SubscribeEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { encodeFrame } from "../../src/rpc/frame.ts";
import type { Device } from "./world.ts";

/** A SubscribeEvents request as bytes: Connect with Protobuf over HTTP/1.1. */
export async function subscribeRequest(device: Device): Promise<Buffer> {
  const signed = await device.signer.sign("gateway.subscribe", new Uint8Array(0));
  const body = encodeFrame(0, toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, signed)));
  const head = `POST /sallyport.v1.Gateway/SubscribeEvents HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/connect+proto\r\nContent-Length: ${body.byteLength}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}
