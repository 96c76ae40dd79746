import { afterEach, describe, expect, test } from "bun:test";
import { playStory } from "../../../src/cli/demo-scenario.ts";
import { type Flaw, StubGateway } from "./stub-gateway.ts";

const STEPS = 17;
const running: StubGateway[] = [];
afterEach(async () => {
  for (const stub of running.splice(0)) await stub.stop();
});

async function play(flaws: Flaw[], stepTimeoutMs?: number): Promise<{ held: boolean; lines: string[] }> {
  const stub = new StubGateway(...flaws);
  running.push(stub);
  const lines: string[] = [];
  const held = await playStory({
    edgeUrl: stub.url,
    devBackendUrl: stub.url,
    newTransport: () => stub.transport(),
    say: (line) => lines.push(line),
    stopGateway: () => stub.shutDown(),
    stepTimeoutMs,
    monotonic: () => 0,
  });
  return { held, lines };
}

describe("the story", () => {
  test("holds with a gateway that does what the contract says, a line for each step", async () => {
    const { held, lines } = await play([]);
    expect(lines.filter((line) => !line.includes("✓"))).toEqual([]);
    expect(lines).toHaveLength(STEPS + 1);
    expect(lines[0]).toMatch(/^ 1 ✓ +0\.0 ms {2}Ada logs in with a code from her mailbox → session ds-1, /);
    expect(lines.at(-1)).toBe(`✓ All ${STEPS} steps held, in 0.00 s.`);
    expect(held).toBe(true);
  });

  const flaws: [flaw: Flaw, broken: string[]][] = [
    ["lets_replays_through", ["expected: refused with FAILED_PRECONDITION REQUEST_REPLAYED; actual: an answer: ok"]],
    [
      "checks_no_hash",
      [
        "expected: refused with INVALID_ARGUMENT PAYLOAD_HASH_MISMATCH; actual: an answer: ok",
        'expected: display_name "Ada Lovelace"; actual: display_name "Mallory"',
      ],
    ],
    [
      "checks_no_signature",
      [
        "expected: refused with UNAUTHENTICATED SIGNATURE_INVALID; actual: an answer: ok",
        'expected: display_name "Ada Lovelace"; actual: display_name "Mallory"',
      ],
    ],
    ["keeps_revoked_streams", ["expected: an end within 100 ms; actual: none so far"]],
  ];
  for (const [flaw, broken] of flaws) {
    test(`tells what does not hold with a gateway that ${flaw.replaceAll("_", " ")}, and plays on`, async () => {
      const { held, lines } = await play([flaw], 100);
      const crossed = lines.slice(0, -1).filter((line) => line.includes("✗"));
      expect(crossed.map((line) => line.slice(line.indexOf("expected:")))).toEqual(broken);
      expect(lines.at(-1)).toBe(`✗ ${broken.length} of ${STEPS} steps did not hold, in 0.00 s.`);
      expect(held).toBe(false);
    });
  }

  test("does not hold where the gateway refuses without saying why", async () => {
    const { held, lines } = await play(["hides_reasons"]);
    const crossed = lines.slice(0, -1).filter((line) => line.includes("✗"));
    expect(crossed.map((line) => line.slice(line.indexOf("actual:")))).toEqual(Array(4).fill("actual: INTERNAL INTERNAL"));
    expect(held).toBe(false);
  });

  test("does not hold where events are signed by a stranger", async () => {
    const { held, lines } = await play(["forges_events"], 100);
    expect(lines.join("\n")).toContain("the gateway publishes no key with its key_id");
    expect(held).toBe(false);
  });

  test("ends early where nobody can log in", async () => {
    const { held, lines } = await play(["sends_no_code"]);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toEndWith("expected: a mail with the code; actual: none in the outbox");
    expect(lines[2]).toBe("✗ 2 of 2 steps did not hold, in 0.00 s; the steps after the last one need it and were not played.");
    expect(held).toBe(false);
  });
});
