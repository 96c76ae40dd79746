/** Adds objects to a set and removes them, 32 live at a time. Prints how many remain after eden collections. */
import { edenGC, fullGC, heapStats } from "bun:jsc";
import { LiveSet } from "../../../../src/core/live-set.ts";

class Passing {
  readonly bytes = new Array(8).fill(0);
}

/** Each returns a function that adds an object and returns its remover. */
const adders = {
  "live-set": (set = new LiveSet<Passing>()) => {
    return (item: Passing) => {
      const held = set.add(item);
      return () => set.remove(held);
    };
  },
  map: (map = new Map<Passing, undefined>()) => {
    return (item: Passing) => {
      map.set(item, undefined);
      return () => map.delete(item);
    };
  },
};

const add = process.argv[2] === "map" ? adders.map() : adders["live-set"]();
const removers: (() => void)[] = [];
fullGC();
const before = heapStats().objectTypeCounts["Array"] ?? 0;
for (let n = 0; n < 40_000; n++) {
  removers.push(add(new Passing()));
  if (removers.length > 32) removers.shift()?.();
  if (n % 500 === 0) edenGC();
}
edenGC();
console.log((heapStats().objectTypeCounts["Array"] ?? 0) - before);
process.exit(0);
