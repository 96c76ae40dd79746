import { DEVICE_KEY_ALGORITHMS } from "../core/keys.ts";
import { list } from "./decoder.ts";
import { secret, setting, unset } from "./setting.ts";
import { time } from "./time.ts";
import { choice, filePath, text } from "./values.ts";

const seed = (role: string) =>
  text(
    `base64 of the 32 bytes of a seed, as \`sallyport keygen\` prints it; the path of a file belongs in keys.${role}_file`,
    /^[A-Za-z0-9+/_-]{43}=?$/,
  );
const algorithm = choice(...DEVICE_KEY_ALGORITHMS);

/** The settings of the gateway's signing keys and of device keys. */
export const KEY_SETTINGS = {
  "keys.current": secret(
    seed("current"),
    "Ed25519 seed of the current signing key: 32 bytes in base64. The gateway signs responses and events with the current signing key. Generate a seed with `sallyport keygen`.",
  ),
  "keys.next": secret(
    seed("next"),
    "Ed25519 seed of the next signing key: 32 bytes in base64. The gateway publishes the public key of the seed, but does not sign with the seed. Clients thus know the public key before you move the seed to `keys.current`.",
  ),
  "keys.previous": secret(
    seed("previous"),
    "Ed25519 seed of the previous signing key: 32 bytes in base64. The gateway publishes the public key of the seed, but does not sign with the seed. Clients can thus verify signatures from before the key change.",
  ),
  "keys.current_file": unset(
    filePath,
    "File that contains the Ed25519 seed of the current signing key. Use `keys.current_file` instead of `keys.current` if your secrets are mounted as files. Set only one of the two.",
  ),
  "keys.next_file": unset(
    filePath,
    "File that contains the Ed25519 seed of the next signing key. Use `keys.next_file` instead of `keys.next` if your secrets are mounted as files. Set only one of the two.",
  ),
  "keys.previous_file": unset(
    filePath,
    "File that contains the Ed25519 seed of the previous signing key. Use `keys.previous_file` instead of `keys.previous` if your secrets are mounted as files. Set only one of the two.",
  ),
  "keys.rotate_at": unset(
    time,
    "Time at which the gateway begins to sign with the next key, such as `2027-01-31T03:00:00Z`. The current key then becomes the previous key. Gateways with the same `keys.rotate_at` change keys at the same time. Open streams continue. Choose a time at least 5 minutes after every gateway has the next key, because clients may cache the public keys for 5 minutes.",
  ),

  "device_keys.algorithms": setting(
    list(algorithm, { plural: "algorithms", itemsMin: 1, itemsMax: DEVICE_KEY_ALGORITHMS.length, areDistinct: true }),
    DEVICE_KEY_ALGORITHMS,
    "Algorithms of device keys that the gateway accepts: `EdDSA` (Ed25519) and `ES256` (ECDSA on P-256). A login with another algorithm is refused with 400. A request of a session with another algorithm is refused with `SIGNATURE_INVALID`. Remove an algorithm if no device may use the algorithm.",
  ),
} as const;
