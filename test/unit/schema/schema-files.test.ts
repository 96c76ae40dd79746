import { expect, test } from "bun:test";
import { SchemaFiles } from "../../../src/schema/schema-files.ts";

test.each([['{"pattern":"("}'], ['{"properties":{"a":{"pattern":"(?=x)"}}}']])(
  "a reload reports the same error of %s as the first load",
  (text) => {
    const messageOf = () => {
      try {
        new SchemaFiles({ baseUri: undefined, readFile: () => text }).read("order.json");
      } catch (error) {
        return String(error);
      }
      return "no error";
    };
    const first = messageOf();
    expect(first).toContain("order.json: ");
    expect([messageOf(), messageOf()]).toEqual([first, first]);
  },
);
