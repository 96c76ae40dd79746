import { expect, test } from "bun:test";
import { takeBudgets } from "../../../src/pipeline/budgets.ts";
import { runCommand } from "../../../src/pipeline/command.ts";
import { checkEnvelope } from "../../../src/pipeline/envelope.ts";
import { claimFreshness } from "../../../src/pipeline/freshness.ts";
import { checkPayloadHash } from "../../../src/pipeline/payload-hash.ts";
import type { PipelinePorts } from "../../../src/pipeline/ports.ts";
import type {
  AdmittedRequest,
  FreshRequest,
  IncomingRequest,
  IntactPayload,
  KnownSession,
  PrecheckedRequest,
  VerifiedCaller,
  WellFormed,
} from "../../../src/pipeline/proof.ts";
import { findSession } from "../../../src/pipeline/session.ts";
import { checkSignature } from "../../../src/pipeline/signature.ts";

/** A type for each stage's proof; nobody here ever has one. Checked by the compiler alone: `bun run check`. */
interface Proofs {
  readonly incomingRequest: IncomingRequest;
  readonly prechecked: PrecheckedRequest;
  readonly wellFormed: WellFormed;
  readonly known: KnownSession;
  readonly intact: IntactPayload;
  readonly verified: VerifiedCaller;
  readonly fresh: FreshRequest;
  readonly admitted: AdmittedRequest;
}

/** The right order compiles, so that the wrong ones below do not fail for another reason. */
export async function rightOrder(proofs: Proofs, ports: PipelinePorts): Promise<void> {
  const wellFormed = checkEnvelope(proofs.prechecked, 1);
  const known = await findSession(wellFormed, ports.sessions);
  const intact = checkPayloadHash(known);
  const verified = checkSignature(intact);
  const fresh = await claimFreshness(verified, ports);
  const admitted = await takeBudgets(fresh, ports);
  await runCommand(
    admitted,
    { acceptLanguage: "", userAgent: "", traceparent: "", tracestate: "" },
    ports,
    AbortSignal.abort(),
  );
}

export function wrongOrders(proofs: Proofs, ports: PipelinePorts): void {
  const headers = { acceptLanguage: undefined, userAgent: undefined, traceparent: undefined, tracestate: undefined };
  const signal = AbortSignal.abort();
  // @ts-expect-error the failure budget has not been recorded
  checkEnvelope(proofs.incomingRequest, 1);
  // @ts-expect-error the envelope has not been checked
  findSession(proofs.prechecked, ports.sessions);
  // @ts-expect-error the session has not been looked up
  checkPayloadHash(proofs.wellFormed);
  // @ts-expect-error the payload has not been checked
  checkSignature(proofs.known);
  // @ts-expect-error the signature has not been checked: anybody could use up request ids
  claimFreshness(proofs.intact, ports);
  // @ts-expect-error freshness and replay have not been checked
  takeBudgets(proofs.verified, ports);
  // @ts-expect-error the budgets have not been recorded
  runCommand(proofs.fresh, headers, ports, signal);
  // @ts-expect-error a payload check does not stand for a signature
  claimFreshness(proofs.known, ports);
  // @ts-expect-error an admitted request is not a verified caller: no stage runs twice
  claimFreshness(proofs.admitted, ports);
  // @ts-expect-error an object of the right shape proves nothing
  checkSignature({ ...proofs.known, session: proofs.known.session } satisfies object);
}

test("to call two checks in the wrong order does not compile", async () => {
  // The compiler's word is what counts; a run of it here would take seconds. That the file still says so is what can be tested fast.
  const text = await Bun.file(import.meta.path).text();
  expect(text.match(/^ {2}\/\/ @ts-expect-error /gm)).toHaveLength(10);
});
