import { AnswerProcesses } from "../support/answer-processes.ts";
import { answerStoreContract } from "./answer-store.contract.ts";

/** The kept answers of two processes during an upgrade: of the old one, and of its successor, which asks the old one. */
answerStoreContract({
  name: "a process and its successor",
  propertyRuns: 100,
  open(bounds) {
    const processes = new AnswerProcesses(bounds);
    const { clock, old, successor } = processes;
    return {
      gateways: [old, successor],
      nowMs: () => clock.now(),
      advance(ms) {
        clock.advance(ms);
        old.trim();
      },
      evicted: () => processes.evicted,
      close() {},
    };
  },
});
