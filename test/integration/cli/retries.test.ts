import { expect, test } from "bun:test";
import { logIn } from "../../support/cli/log-in.ts";
import { Shell } from "../../support/cli/shell.ts";
import { withWorld } from "../../support/world.ts";

test(
  "with --idempotency-key, a command whose answer was lost is tried again, runs once, and prints the one answer",
  () =>
    withWorld({}, async ({ gateway, backend, faults }) => {
      const shell = new Shell();
      let toLose = 2;
      const proxy = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: async (request) => {
          const { pathname } = new URL(request.url);
          const body = request.method === "GET" ? null : await request.bytes();
          const answer = await fetch(`${gateway.edgeUrl}${pathname}`, {
            method: request.method,
            headers: request.headers,
            body,
          });
          const isLost = pathname.endsWith("/ExecuteCommand") && toLose-- > 0;
          return isLost ? new Response("", { status: 502 }) : new Response(await answer.bytes(), answer);
        },
      });
      try {
        await logIn(shell, { edgeUrl: gateway.edgeUrl, backendUrl: backend.restUrl }, "ada@example.com");
        const call = `sallyport call chat.message.send '{"room_id":"lobby","text":"Hello"}' --url http://127.0.0.1:${proxy.port}`;
        const sent = () => faults.calls("/api/v1/user/rooms/lobby/messages");

        const first = await shell.run(`${call} --idempotency-key hello-0001 --full --timeout 30s`);
        expect({ code: first.code, sent: sent() }).toEqual({ code: 0, sent: 1 });
        const answer = JSON.parse(first.out);
        expect(answer).toMatchObject({ result_code: "ok", replayed: true });

        const again = await shell.run(`${call} --idempotency-key hello-0001 --full`);
        expect(JSON.parse(again.out).payload).toEqual(answer.payload);
        expect(sent()).toBe(1);

        toLose = 1;
        const without = await shell.run(call);
        expect(without).toMatchObject({ code: 3, out: "" });
        expect(without.err).toContain("may have been executed");
        expect(sent()).toBe(2);
      } finally {
        shell.close();
        await proxy.stop(true);
      }
    }),
  60_000,
);
