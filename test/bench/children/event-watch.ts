/** Counts the signatures and encodings of one event. Both must be 1 for any number of streams. */
import { KeyRing } from "../../../src/crypto/key-ring.ts";
import { SignedEvent } from "../../../src/hub/event.ts";

/** The counts of one event. */
export interface WatchedEvent {
  readonly signatures: number;
  /** The number of different byte arrays that streams received. */
  readonly encodings: number;
  /** The different byte sequences, in base64. */
  readonly frames: readonly string[];
}

const { sign } = KeyRing.prototype;
const { frame } = SignedEvent.prototype;
let signatures = 0;
const frames = new Set<Uint8Array>();

/** Answers for the parent. The gateway is unchanged except between these two calls. */
export const EVENT_WATCH = {
  watchEvent(): void {
    signatures = 0;
    frames.clear();
    KeyRing.prototype.sign = function (this: KeyRing, message) {
      signatures++;
      return sign.call(this, message);
    };
    SignedEvent.prototype.frame = function (this: SignedEvent, codec) {
      const bytes = frame.call(this, codec);
      frames.add(bytes);
      return bytes;
    };
  },
  watchedEvent(): WatchedEvent {
    Object.assign(KeyRing.prototype, { sign });
    Object.assign(SignedEvent.prototype, { frame });
    const base64 = [...frames].map((bytes) => Buffer.from(bytes).toString("base64"));
    const seen = { signatures, encodings: frames.size, frames: [...new Set(base64)] };
    frames.clear();
    return seen;
  },
};
