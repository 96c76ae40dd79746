"""The keys of devices, of both algorithms. proto/README.md, "Device keys"."""

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ECDSA_SHA256 = ec.ECDSA(SHA256())
COORDINATE_BYTES = 32
UNCOMPRESSED = 4


class EddsaKey:
    algorithm = "EdDSA"

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


class Es256Key:
    algorithm = "ES256"

    def __init__(self, scalar: bytes) -> None:
        self._key = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())
        self.public_key = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def sign(self, data: bytes) -> bytes:
        """Returns R ‖ S, 32 bytes each."""
        return b"".join(n.to_bytes(COORDINATE_BYTES, "big") for n in decode_dss_signature(self._key.sign(data, ECDSA_SHA256)))


KEYS = {key.algorithm: key for key in (EddsaKey, Es256Key)}


def verifier_of(algorithm: str, public_key: bytes) -> Callable[[bytes, bytes], bool]:
    """Returns a function of data and signature. Raises ValueError if the key must be refused."""
    return {"EdDSA": _eddsa_verifier, "ES256": _es256_verifier}[algorithm](public_key)


def _eddsa_verifier(public_key: bytes) -> Callable[[bytes, bytes], bool]:
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return lambda data, signature: _holds(lambda: key.verify(signature, data))


def _es256_verifier(public_key: bytes) -> Callable[[bytes, bytes], bool]:
    if len(public_key) != 1 + 2 * COORDINATE_BYTES or public_key[0] != UNCOMPRESSED:
        raise ValueError("not a point in uncompressed form")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)

    def verify(data: bytes, signature: bytes) -> bool:
        if len(signature) != 2 * COORDINATE_BYTES:
            return False
        r, s = (int.from_bytes(part, "big") for part in (signature[:COORDINATE_BYTES], signature[COORDINATE_BYTES:]))
        return _holds(lambda: key.verify(encode_dss_signature(r, s), data, ECDSA_SHA256))

    return verify


def _holds(verify: Callable[[], None]) -> bool:
    try:
        verify()
        return True
    except InvalidSignature:
        return False
