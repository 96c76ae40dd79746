import { DEVICE_KEY_ALGORITHMS } from "../core/keys.ts";
import { list } from "./decoder.ts";
import { secret, setting, unset } from "./setting.ts";
import { choice, filePath, text } from "./values.ts";

const seed = text("base64 of the 32 bytes of a seed, as `sallyport keygen` prints it", /^[A-Za-z0-9+/_-]{43}=?$/);
const algorithm = choice(...DEVICE_KEY_ALGORITHMS);

/** The settings of the gateway's signing keys and of device keys. */
export const KEY_SETTINGS = {
  "keys.current": secret(
    seed,
    "Ed25519 seed of the key that signs responses and events: 32 bytes in base64. Generate it with `sallyport keygen`.",
  ),
  "keys.next": secret(
    seed,
    "Seed of the next signing key. The gateway already publishes its public key, so that clients know the key before it is used.",
  ),
  "keys.previous": secret(
    seed,
    "Seed of the previous signing key. The gateway still publishes its public key, so that clients can verify older signatures.",
  ),
  "keys.current_file": unset(
    filePath,
    "File that contains the seed of the current signing key. Use it instead of `keys.current` if your secrets are mounted as files.",
  ),
  "keys.next_file": unset(
    filePath,
    "File that contains the seed of the next signing key. Use it instead of `keys.next` if your secrets are mounted as files.",
  ),
  "keys.previous_file": unset(
    filePath,
    "File that contains the seed of the previous signing key. Use it instead of `keys.previous` if your secrets are mounted as files.",
  ),

  "device_keys.algorithms": setting(
    list(algorithm, { plural: "algorithms", itemsMin: 1, itemsMax: DEVICE_KEY_ALGORITHMS.length, areDistinct: true }),
    DEVICE_KEY_ALGORITHMS,
    "Algorithms of device keys that the gateway accepts: `EdDSA` (Ed25519) and `ES256` (ECDSA on P-256). A login with another algorithm is refused with 400. A request of a session with another algorithm is refused with `SIGNATURE_INVALID`. Remove an algorithm if no device may use it.",
  ),
} as const;
