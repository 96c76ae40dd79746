import type { Session, SessionSource } from "../../src/core/ports.ts";

/** A source of sessions whose answers the test writes, and can hold back. */
export class ScriptedSource implements SessionSource {
  /** Every id that was looked up, in order. */
  readonly asked: string[] = [];
  /** Thrown by every look-up, where set. */
  failure: unknown;
  readonly #sessions = new Map<string, Session>();
  #gate: Promise<void> = Promise.resolve();

  set(deviceSessionId: string, userId: string, status: Session["status"] = "active"): void {
    this.#sessions.set(deviceSessionId, { deviceSessionId, userId, status, key: { verify: () => true } });
  }

  delete(deviceSessionId: string): void {
    this.#sessions.delete(deviceSessionId);
  }

  /** Look-ups that begin from now on wait until the function is called. They answer what was so when they began. */
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
