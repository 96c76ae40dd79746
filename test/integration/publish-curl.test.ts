import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { createConnectTransport } from "@connectrpc/connect-node";
import { EventSubscriber } from "../support/event-subscriber.ts";
import { openPublishingWorld, PUSH_TOKEN, type PublishingWorld } from "../support/publishing-world.ts";
import { until } from "../support/until.ts";

/** The lines of proto/backend.md, "Publish over HTTP", run as the page shows them. Only address and ids are replaced. */

let world: PublishingWorld;
beforeAll(async () => {
  world = await openPublishingWorld();
});
afterAll(() => world.close());

async function run(lines: string): Promise<unknown> {
  const env = { ...process.env, PUSH_TOKEN };
  const child = Bun.spawn(["bash", "-euo", "pipefail", "-c", lines], { env, stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect([err, await child.exited]).toEqual(["", 0]);
  return JSON.parse(out);
}

test("the lines publish an event, a batch and a revocation", async () => {
  const page = await Bun.file(join(import.meta.dir, "../../proto/backend.md")).text();
  const section = page.slice(page.indexOf("### Publish over HTTP"));
  const device = await world.login();
  const blocks = [...section.matchAll(/^```sh\n(curl[\s\S]*?)^```$/gm)].map(([, lines = ""]) =>
    lines
      .replaceAll("http://127.0.0.1:8085", world.publishUrl)
      .replaceAll('"u-1"', JSON.stringify(device.userId))
      .replaceAll('"ds-1"', JSON.stringify(device.deviceSessionId)),
  );
  expect(blocks).toHaveLength(3);
  const [event = "", batch = "", revocation = ""] = blocks;
  const transport = createConnectTransport({ baseUrl: world.gateway.edgeUrl, httpVersion: "1.1" });
  const stream = await EventSubscriber.open(transport, device);
  expect(await run(event)).toEqual({ event_id: "order-7-ready", duplicate: false });
  expect(await run(event)).toEqual({ event_id: "order-7-ready", duplicate: true });
  expect(await run(batch)).toEqual({
    events: [
      { event_id: "order-8-paid", duplicate: false },
      { event_id: "code-9", duplicate: false },
    ],
  });
  await until(() => stream.lastId === "code-9", "the events");
  expect(stream.payloads("order.ready")).toEqual([{ order: 7 }]);
  expect(stream.events.slice(1).map(({ envelope }) => envelope?.eventId)).toEqual(["order-7-ready", "order-8-paid", "code-9"]);
  expect(await run(revocation)).toEqual({ revocations: 1 });
  await until(() => stream.ended === "SESSION_REVOKED", "the stream to end");
});
