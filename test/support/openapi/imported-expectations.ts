import { expect } from "bun:test";
import type { RouteConfig } from "../../../src/config/route-config.ts";
import type { ImportedGateway } from "./imported-gateway.ts";

/** Calls each route, and expects that the call reaches its operation as the description says. */
export async function expectEachRouteServed(gateway: ImportedGateway): Promise<void> {
  for (const route of gateway.routes) {
    const { expected, ...call } = await gateway.call(route);
    expect(call).toEqual({ messageType: route.message_type, resultCode: "ok", served: expected, isAnswered: true });
  }
}

/** Sends a wrong value to each route, and expects that it is refused with its place. */
export async function expectWrongValuesRefused(gateway: ImportedGateway, routes: readonly RouteConfig[]): Promise<void> {
  for (const route of routes) {
    const { refusal, place } = await gateway.violate(route);
    expect({ type: route.message_type, refusal }).toEqual({
      type: route.message_type,
      refusal: { reason: "PAYLOAD_INVALID", pointer: place },
    });
  }
}
