/** What an event costs once, however many streams take it: its signature and its encoding. */
import { KeyRing } from "../../../src/crypto/key-ring.ts";
import { SignedEvent } from "../../../src/hub/event.ts";

/** What was seen of one event. */
export interface WatchedEvent {
  readonly signatures: number;
  /** Different byte arrays that streams were given. */
  readonly encodings: number;
  /** The bytes themselves, in base64: each of them. */
  readonly frames: readonly string[];
}

const { sign } = KeyRing.prototype;
const { frame } = SignedEvent.prototype;
let signatures = 0;
const frames = new Set<Uint8Array>();

/** Answers for the parent. While nothing is watched the gateway runs as it is. */
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
