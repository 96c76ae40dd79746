import { beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { typeErrors } from "../../support/type-errors.ts";

/** Runs the type checker on calls of the checks in right and wrong orders. Each check takes the proof of the previous check. */

const ROOT = join(import.meta.dir, "../../..");
const CORE = join(ROOT, "src/core");
const PIPELINE = join(ROOT, "src/pipeline");
/** "Argument of type … is not assignable to parameter of type …" */
const WRONG_ARGUMENT = "TS2345";

const DECLARATIONS = `
import type { ForwardedHeaders } from "${CORE}/backend.ts";
import { takeBudgets } from "${PIPELINE}/budgets.ts";
import { runCommand } from "${PIPELINE}/command.ts";
import { checkEnvelope } from "${PIPELINE}/envelope.ts";
import { checkFailureBudget } from "${PIPELINE}/failure-budget.ts";
import { claimFreshness } from "${PIPELINE}/freshness.ts";
import { checkPayloadHash } from "${PIPELINE}/payload-hash.ts";
import type { PipelinePorts } from "${PIPELINE}/ports.ts";
import type * as proofs from "${PIPELINE}/proof.ts";
import { findSession } from "${PIPELINE}/session.ts";
import { checkSignature } from "${PIPELINE}/signature.ts";
declare const incoming: proofs.IncomingRequest;
declare const prechecked: proofs.PrecheckedRequest;
declare const wellFormed: proofs.WellFormed;
declare const known: proofs.KnownSession;
declare const intact: proofs.IntactPayload;
declare const verified: proofs.VerifiedCaller;
declare const fresh: proofs.FreshRequest;
declare const admitted: proofs.AdmittedRequest;
declare const ports: PipelinePorts;
declare const headers: ForwardedHeaders;
declare const signal: AbortSignal;
`;

const RIGHT = [
  "checkFailureBudget(incoming, ports);",
  "checkEnvelope(prechecked, 1);",
  "findSession(wellFormed, ports.sessions);",
  "checkPayloadHash(known);",
  "checkSignature(intact);",
  "claimFreshness(verified, ports);",
  "takeBudgets(fresh, ports);",
  "runCommand(admitted, headers, ports, signal);",
];

const WRONG: [wrong: string, call: string][] = [
  ["the envelope check before the failure budget", "checkEnvelope(incoming, 1);"],
  ["the session look-up before the envelope check", "findSession(prechecked, ports.sessions);"],
  ["the payload hash before the session look-up", "checkPayloadHash(wellFormed);"],
  ["the signature before the payload hash", "checkSignature(known);"],
  ["freshness before the signature", "claimFreshness(intact, ports);"],
  ["freshness directly after the session look-up", "claimFreshness(known, ports);"],
  ["budgets before freshness", "takeBudgets(verified, ports);"],
  ["the command before budgets", "runCommand(fresh, headers, ports, signal);"],
  ["freshness a second time", "claimFreshness(admitted, ports);"],
  ["an object of the right shape without a proof", "checkSignature({ ...known, session: known.session });"],
];

/** The codes of the type errors of each call. */
let errors: ReadonlyMap<string, readonly string[]>;

beforeAll(async () => {
  errors = await typeErrors(DECLARATIONS, [...RIGHT, ...WRONG.map(([, call]) => call)]);
});

test("the order of the contract compiles", () => {
  expect(errors.get("")).toBeUndefined();
  for (const call of RIGHT) expect([call, errors.get(call)]).toEqual([call, undefined]);
});

test.each(WRONG)("%s does not compile", (_, call) => {
  expect(errors.get(call)).toEqual([WRONG_ARGUMENT]);
});
