import { expect, test } from "bun:test";
import { createSecureServer, type ServerHttp2Session } from "node:http2";
import { join } from "node:path";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Push } from "../../../../src/gen/sallyport/v1/push_pb.ts";
import { selfSigned } from "../../../support/certificates.ts";

/** Subscribes once. Prints the bytes of the first message, or the error. */
const SUBSCRIBE = `
const { openPushLink } = await import(process.argv[1]);
const link = openPushLink({ url: process.argv[2], protocol: "grpc" });
const first = async () => {
  await link.connect();
  const call = { signal: new AbortController().signal, onHeader() {} };
  for await (const frame of link.subscribe({ gatewayId: "g", cursor: "" }, call)) return Buffer.from(frame).toString("hex");
};
console.log(await first().catch((error) => error.rawMessage));
process.exit(0);
`;

test("the feed over TLS accepts only a server with a trusted certificate for its name", async () => {
  const { certificateFile, certificate, key } = await selfSigned("push.test");
  const routes = connectNodeAdapter({
    routes: (router) =>
      router.service(Push, {
        async *subscribePush() {
          yield { cursor: "7" };
        },
      }),
  });
  const server = createSecureServer({ cert: certificate, key }, routes);
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    session.on("error", () => {});
    sessions.add(session);
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const module = join(import.meta.dir, "../../../../src/backend/feed/push-transport.ts");
  const outcomeOf = async (host: string, env: Record<string, string>) => {
    const child = Bun.spawn([process.execPath, "-e", SUBSCRIBE, module, `https://${host}:${port}`], {
      env: { ...process.env, ...env },
      stdout: "pipe",
    });
    return (await new Response(child.stdout).text()).trim();
  };
  const trust = { NODE_EXTRA_CA_CERTS: certificateFile };
  for (const host of ["127.0.0.1", "localhost"]) expect(await outcomeOf(host, trust)).toBe("0a0137");
  expect(await outcomeOf("127.0.0.1", {})).toMatch(/self.signed/i);
  // The certificate does not name this address.
  expect(await outcomeOf("[::1]", trust)).toMatch(/altname|does not match/i);
  for (const session of sessions) session.destroy();
  server.close();
});
