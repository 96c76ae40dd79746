/**
 * The clients of the push benchmark. `POST /open` opens their streams. `GET /count` returns the number of received events,
 * `GET /arrivals?since=` the latencies of those since a time.
 */
import { answerParent, parameters } from "../child.ts";
import { Crowd, type CrowdParameters } from "./crowd.ts";

const crowd = new Crowd(parameters<CrowdParameters>());

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  routes: {
    "/open": async () => {
      await crowd.open();
      return new Response();
    },
    "/arrivals": (request) => {
      const since = Number(new URL(request.url).searchParams.get("since"));
      return Response.json(crowd.arrivals.filter((at) => at >= since).map((at) => at - since));
    },
    "/count": () => Response.json(crowd.arrivals.length),
  },
});
answerParent({ port: server.port ?? 0 });
