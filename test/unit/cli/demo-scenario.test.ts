import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { runScenario } from "../../../src/cli/demo-scenario.ts";
import { type Flaw, StubGateway } from "./stub-gateway.ts";

const STEPS = 17;
const running: StubGateway[] = [];
afterEach(async () => {
  for (const stub of running.splice(0)) await stub.stop();
});

async function play(flaws: Flaw[], stepTimeoutMs?: number): Promise<{ passed: boolean; lines: string[] }> {
  const stub = new StubGateway(...flaws);
  running.push(stub);
  const lines: string[] = [];
  const passed = await runScenario({
    edgeUrl: stub.url,
    devBackendUrl: stub.url,
    newTransport: () => stub.transport(),
    print: (line) => lines.push(line),
    stopGateway: () => stub.shutDown(),
    stepTimeoutMs,
    monotonic: () => 0,
  });
  return { passed, lines };
}

describe("the demo scenario", () => {
  test("passes with a gateway that keeps the contract, and prints a line for each step", async () => {
    const { passed, lines } = await play([]);
    expect(lines.filter((line) => !line.includes("✓"))).toEqual([]);
    expect(lines).toHaveLength(STEPS + 1);
    expect(lines[0]).toMatch(/^ 1 ✓ +0\.0 ms {2}Ada logs in with a code from her mailbox → session ds-1, /);
    expect(lines.at(-1)).toBe(`✓ All ${STEPS} steps passed, in 0.00 s.`);
    expect(passed).toBe(true);
  });

  test("has as many steps as the README says", async () => {
    const readme = await Bun.file(join(import.meta.dir, "../../../README.md")).text();
    expect(readme).toContain(`checks each of its ${STEPS} steps`);
  });

  const flaws: [flaw: Flaw, broken: string[]][] = [
    ["accepts_replays", ["expected: refused with FAILED_PRECONDITION REQUEST_REPLAYED; actual: an answer: ok"]],
    [
      "skips_hash_check",
      [
        "expected: refused with INVALID_ARGUMENT PAYLOAD_HASH_MISMATCH; actual: an answer: ok",
        'expected: display_name "Ada Lovelace"; actual: display_name "Mallory"',
      ],
    ],
    [
      "skips_signature_check",
      [
        "expected: refused with UNAUTHENTICATED SIGNATURE_INVALID; actual: an answer: ok",
        'expected: display_name "Ada Lovelace"; actual: display_name "Mallory"',
      ],
    ],
    ["keeps_revoked_streams", ["expected: a result within 100 ms; actual: timeout"]],
  ];
  for (const [flaw, broken] of flaws) {
    test(`reports the failed steps with a gateway that ${flaw.replaceAll("_", " ")}, and runs the others`, async () => {
      const { passed, lines } = await play([flaw], 100);
      const crossed = lines.slice(0, -1).filter((line) => line.includes("✗"));
      expect(crossed.map((line) => line.slice(line.indexOf("expected:")))).toEqual(broken);
      expect(lines.at(-1)).toBe(`✗ ${broken.length} of ${STEPS} steps failed, in 0.00 s.`);
      expect(passed).toBe(false);
    });
  }

  test("fails if refusals have no reason", async () => {
    const { passed, lines } = await play(["hides_reasons"]);
    const crossed = lines.slice(0, -1).filter((line) => line.includes("✗"));
    expect(crossed.map((line) => line.slice(line.indexOf("actual:")))).toEqual(Array(4).fill("actual: INTERNAL INTERNAL"));
    expect(passed).toBe(false);
  });

  test("fails if events are signed with an unpublished key", async () => {
    const { passed, lines } = await play(["forges_events"], 100);
    expect(lines.join("\n")).toContain("the gateway publishes no key with its key_id");
    expect(passed).toBe(false);
  });

  test("skips the remaining steps if the login fails", async () => {
    const { passed, lines } = await play(["sends_no_code"]);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toEndWith("expected: a mail with the code; actual: none in the outbox");
    expect(lines[2]).toBe("✗ 2 of 2 steps failed, in 0.00 s; the remaining steps depend on a failed step and were skipped.");
    expect(passed).toBe(false);
  });
});
