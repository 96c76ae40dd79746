import { expect, test } from "bun:test";
import { create, toJsonString } from "@bufbuild/protobuf";
import { FetchEventsRequestSchema } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { RawHttp1 } from "../support/raw-http.ts";
import { until } from "../support/until.ts";
import { UpgradableGateway } from "../support/upgradable-gateway.ts";

/** A call of FetchEvents that waits while another process takes over. */

const NOT_LINUX = process.platform === "linux" ? undefined : "skipped: an upgrade needs Linux";
const WAIT_MS_MAX = 30_000;

test.skipIf(NOT_LINUX !== undefined).each([
  { name: "one process", settings: {}, args: [] },
  { name: "one port", settings: { "edge.grpc": "same-port" }, args: [] },
  { name: "two workers", settings: { "workers.count": "2" }, args: [] },
  { name: "two workers, only the workers", settings: { "workers.count": "2" }, args: ["--workers"] },
] as const)(
  NOT_LINUX ?? "is answered before its wait is over, with Connection: close; $name",
  async ({ settings, args }) => {
    const gateway = await UpgradableGateway.start(settings);
    const device = await gateway.login();
    const request = await device.signer.sign("gateway.fetch", new TextEncoder().encode('{"wait_ms": 25000}'));
    const body = toJsonString(FetchEventsRequestSchema, create(FetchEventsRequestSchema, request));
    const connection = await RawHttp1.open(gateway.edgeUrl);
    const head = "POST /sallyport.v1.Gateway/FetchEvents HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n";
    connection.send(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    const waits = async () => (await (await fetch(`${gateway.adminUrl}/streams`)).text()).includes('"poll"');
    await until(waits, "the poll", WAIT_MS_MAX);
    expect((await gateway.upgrade(...args)).code).toBe(0);
    await until(() => connection.closed, "the end of the connection", WAIT_MS_MAX);
    const answer = (await connection.answer()) ?? expect.unreachable();
    expect({ status: answer.status, connection: answer.headers["connection"] }).toEqual({ status: 200, connection: "close" });
    expect(answer.body.toString()).toContain("gateway.server_time");
    await gateway.close();
  },
  120_000,
);
