import type { Session, SessionSource } from "../../src/core/sessions.ts";

/** A session source whose replies the test sets and can delay. */
export class ScriptedSource implements SessionSource {
  /** The ids of all look-ups, in order. */
  readonly asked: string[] = [];
  /** If set, every look-up rejects with it. */
  failure: unknown;
  readonly #sessions = new Map<string, Session>();
  #gate: Promise<void> = Promise.resolve();

  set(deviceSessionId: string, userId: string, status: Session["status"] = "active"): void {
    this.#sessions.set(deviceSessionId, { deviceSessionId, userId, status, key: { verify: () => true } });
  }

  delete(deviceSessionId: string): void {
    this.#sessions.delete(deviceSessionId);
  }

  /** Delays later look-ups until the returned function is called. They resolve to the session at their start. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return () => {
      this.#gate = Promise.resolve();
      resolve();
    };
  }

  async lookUp(deviceSessionId: string): Promise<Session | undefined> {
    this.asked.push(deviceSessionId);
    const { failure } = this;
    const session = this.#sessions.get(deviceSessionId);
    await this.#gate;
    if (failure !== undefined) throw failure;
    return session;
  }
}
