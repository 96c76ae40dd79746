import { DEVICE_KEY_ALGORITHMS } from "../core/keys.ts";
import { list } from "./decoder.ts";
import { secret, setting, unset } from "./setting.ts";
import { choice, filePath, text, time } from "./values.ts";

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
    "Ed25519 seed of the next signing key: 32 bytes in base64. The gateway publishes the public key of the seed, but does not sign with the seed yet. Clients thus know the public key before you move the seed to `keys.current`.",
  ),
  "keys.previous": secret(
    seed("previous"),
    "Ed25519 seed of the previous signing key: 32 bytes in base64. The gateway publishes the public key of the seed, but does not sign with the seed. Clients can thus verify signatures that the gateway made before the key change.",
  ),
  "keys.current_file": unset(
    filePath,
    "File that contains the Ed25519 seed of the current signing key. If your secrets are mounted as files, set `keys.current_file` instead of `keys.current`.",
  ),
  "keys.next_file": unset(
    filePath,
    "File that contains the Ed25519 seed of the next signing key. If your secrets are mounted as files, set `keys.next_file` instead of `keys.next`.",
  ),
  "keys.previous_file": unset(
    filePath,
    "File that contains the Ed25519 seed of the previous signing key. If your secrets are mounted as files, set `keys.previous_file` instead of `keys.previous`.",
  ),
  "keys.rotate_at": unset(
    time,
    "Time at which the gateway begins to sign with the next key, such as `2027-01-31T03:00:00Z`. At this time, the current key becomes the previous key. Gateways with the same `keys.rotate_at` change keys at the same time. Open event streams continue. Clients may cache the public keys for 5 minutes. So choose a time at least 5 minutes after every gateway has the next key.",
  ),

  "device_keys.algorithms": setting(
    list(algorithm, { plural: "algorithms", itemsMin: 1, itemsMax: DEVICE_KEY_ALGORITHMS.length, areDistinct: true }),
    DEVICE_KEY_ALGORITHMS,
    "Algorithms of device keys that the gateway accepts: `EdDSA` (Ed25519) and `ES256` (ECDSA on P-256). A login that registers a key of another algorithm is refused with status 400. If a session has a key of another algorithm, requests of the session are refused with `SIGNATURE_INVALID`. To forbid an algorithm for all devices, remove it from the list.",
  ),
} as const;
