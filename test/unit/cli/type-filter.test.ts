import { expect, test } from "bun:test";
import { TypeFilter } from "../../../src/cli/type-filter.ts";

test("--types takes event types and prefixes, in the grammar of the contract", () => {
  for (const types of ["*", "chat.*", "chat.room.*", "chat.message", "chat.message, presence.*", "gateway.heartbeat"]) {
    expect(() => new TypeFilter(types)).not.toThrow();
  }
  for (const types of ["", "chat", "chat*", "chat.", "chat..message", "chat.*.x", ".*", "Chat.*", "1.a", "chat.1", "**"]) {
    expect(() => new TypeFilter(types)).toThrow("--types must be a list");
  }
});

test("a prefix selects the types below it", () => {
  const filter = new TypeFilter("chat.*,order.paid");
  const accepts = (eventType: string) => filter.accepts({ kind: "event", eventType });
  expect(["chat.message", "chat.room.left", "chats.message", "order.paid", "order.paid_out"].map(accepts)).toEqual([
    ...[true, true, false, true, false],
  ]);
});
