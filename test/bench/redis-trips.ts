import { openFleet } from "../support/fleet.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import type { Figure } from "./benchmark.ts";

/** One for the reservation, one for all budgets. */
const ROUND_TRIPS_BOUND = 2;

/** Round trips to Redis per accepted request, by its command statistics. No figures if Redis is not installed. */
export async function redisRoundTrips(requests: number): Promise<readonly Figure[]> {
  if (NO_REDIS !== undefined) {
    console.error(`admission: round trips to Redis skipped: ${NO_REDIS}`);
    return [];
  }
  const redis = await TestRedis.start();
  const fleet = await openFleet(redis, {});
  try {
    const { signer } = await fleet.world.login();
    const read = async () => fleet.send(0, await signer.sign("user.profile.get", new Uint8Array(0)));
    // The first request loads the scripts.
    await read();
    const roundTrips = await redis.roundTripsOf(async () => {
      for (let n = 0; n < requests; n++) {
        const outcome = await read();
        if (outcome !== "ok") throw new Error(`a request was refused: ${outcome}`);
      }
    });
    const figure = "Redis: round trips of a request";
    return [{ figure, value: roundTrips / requests, unit: "round trips", bound: ROUND_TRIPS_BOUND }];
  } finally {
    await fleet.close();
    await redis.close();
  }
}
