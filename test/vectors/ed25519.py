"""Writes ed25519.json, always the same bytes: `python3 ed25519.py > ed25519.json`. Needs the package `cryptography`.

Signatures of all the kinds by which verifiers are known to differ. The arithmetic here is RFC 8032's own (5.1), so that it does not
share a fault with what is tested; valid signatures are those of `cryptography` (OpenSSL).
"""

import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P


def recover_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        raise ValueError("not on the curve")
    return P - x if x % 2 != sign else x


BASE = (recover_x(BASE_Y, 0), BASE_Y)


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    x3 = (x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P
    y3 = (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P
    return (x3, y3)


def times(scalar, point):
    total = (0, 1)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def number(value):
    return value.to_bytes(32, "little")


def encode(point):
    x, y = point
    return number(y | (x & 1) << 255)


def digest(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


class Key:
    def __init__(self, seed):
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        head = hashlib.sha512(seed).digest()[:32]
        self.scalar = int.from_bytes(head, "little") & (2**254 - 8) | 2**254
        self.public = encode(times(self.scalar, BASE))
        assert self.public == self.private.public_key().public_bytes_raw()

    def sign(self, message):
        return self.private.sign(message)

    def sign_over(self, r_bytes, r, message):
        """A signature that fits R's bytes as they are written, for a verifier that takes them for the point r·B."""
        return r_bytes + number((r + digest(r_bytes, self.public, message) * self.scalar) % L)


cases = []


def case(kind, note, key, message, signature, valid=False):
    public = key.public if isinstance(key, Key) else key
    cases.append({"kind": kind, "note": note, "public_key": public.hex(), "message": message.hex(), "signature": signature.hex(), "valid": valid})


def seed(name):
    return hashlib.sha256(name.encode()).digest()


KEY = Key(seed("sallyport"))
TEXT = b"open the sally port"
GOOD = KEY.sign(TEXT)
R, S = GOOD[:32], int.from_bytes(GOOD[32:], "little")

for length in (0, 1, 2, 16, 31, 32, 33, 63, 64, 65, 111, 112, 127, 128, 129, 255, 1023, 4096):
    key = Key(seed(f"key {length}"))
    message = bytes(at % 251 for at in range(length))
    case("Valid", f"a message of {length} bytes", key, message, key.sign(message), True)

# RFC 8032 7.1.
RFC8032 = (
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", ""),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "af82"),
    ("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42", hashlib.sha512(b"abc").hexdigest()),
)
for at, (secret, message) in enumerate(RFC8032):
    key = Key(bytes.fromhex(secret))
    case("Ktv", f"RFC 8032 7.1, case {at + 1}", key, bytes.fromhex(message), key.sign(bytes.fromhex(message)), True)


def searched(wanted, count, note, kind):
    """The first messages whose signature has what is wanted: limbs full of ones or zeros are where carries go wrong."""
    found = at = 0
    while found < count:
        message = b"edge %d" % at
        signature = KEY.sign(message)
        if wanted(signature[:32], int.from_bytes(signature[32:], "little"), digest(signature[:32], KEY.public, message) % L):
            case(kind, note, KEY, message, signature, True)
            found += 1
        at += 1


searched(lambda r, s, k: s > L - (L >> 15), 2, "S just below L", "Ktv")
searched(lambda r, s, k: s < L >> 15, 2, "S small", "Ktv")
for kind, part in (("R", 0), ("S", 1), ("the hash", 2)):
    for limb in range(4):
        for word, name in ((0xFFFF, "ones"), (0, "zeros")):
            def wanted(r, s, k, part=part, limb=limb, word=word):
                value = (int.from_bytes(r, "little"), s, k)[part]
                return value >> (63 * limb + 16) & 0xFFFF == word

            searched(wanted, 1, f"{kind} with sixteen {name} in limb {limb}", "Arithmetic")

EDGES = {"0": 0, "1": 1, "L - 1": L - 1, "L": L, "L + 1": L + 1, "p - 1": P - 1, "p": P, "p + 1": P + 1, "2^255 - 1": 2**255 - 1, "2^256 - 1": 2**256 - 1}
for r_name, r in EDGES.items():
    for s_name, s in EDGES.items():
        case("InvalidSignature", f"R = {r_name}, S = {s_name}", KEY, TEXT, number(r) + number(s))
case("InvalidSignature", "a signature of another message", KEY, TEXT, KEY.sign(TEXT + b"s"))
case("InvalidSignature", "a signature by another key", KEY, TEXT, Key(seed("another")).sign(TEXT))

for length in (0, 1, 31, 32, 33, 62, 63):
    case("TruncatedSignature", f"the first {length} bytes", KEY, TEXT, GOOD[:length])
case("TruncatedSignature", "without R", KEY, TEXT, GOOD[32:])

for note, signature in (
    ("a 0 behind", GOOD + b"\0"),
    ("a 0 before", b"\0" + GOOD),
    ("a 0 before S", R + b"\0" + GOOD[32:]),
    ("two bytes behind", GOOD + b"\x20\x20"),
    ("the public key behind", GOOD + KEY.public),
    ("the public key before", KEY.public + GOOD),
    ("twice", GOOD + GOOD),
    ("as ASN.1 octets", b"\x04\x40" + GOOD),
):
    case("SignatureWithGarbage", note, KEY, TEXT, signature)


def compressed(place, note):
    """A signature with a 0 at a place, without it."""
    at = 0
    while True:
        message = b"compressed %d" % at
        signature = KEY.sign(message)
        if signature[place] == 0:
            return case("CompressedSignature", note, KEY, message, signature[:place] + signature[place + 1 :])
        at += 1


compressed(0, "the first 0 of R is left out")
compressed(15, "a 0 within R is left out")
compressed(31, "the last 0 of R is left out")
compressed(32, "the first 0 of S is left out")
compressed(62, "a 0 within S is left out")
case("CompressedSignature", "R and S share a byte", KEY, TEXT, GOOD[:31] + GOOD[32:])

NONCE = digest(b"nonce") % L
NONCE_POINT = times(NONCE, BASE)
for bit in (0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 97, 127, 128, 191, 192, 240, 247, 248, 253, 254, 255):
    r = bytearray(encode(NONCE_POINT))
    r[bit // 8] ^= 1 << bit % 8
    case("InvalidEncoding", f"R with bit {bit} flipped, S for the R that it was", KEY, TEXT, KEY.sign_over(bytes(r), NONCE, TEXT))
for note, r, nonce in (
    ("R all zeros", number(0), NONCE),
    ("R all ones", b"\xff" * 32, NONCE),
    ("R with all bits flipped", bytes(byte ^ 255 for byte in encode(NONCE_POINT)), NONCE),
    ("R = 2, on which no point lies", number(2), NONCE),
    ("the identity with the sign bit set", number(1 | 1 << 255), 0),
    ("the identity as p + 1", number(P + 1), 0),
    ("the identity as p + 1 with the sign bit set", number(P + 1 | 1 << 255), 0),
):
    case("InvalidEncoding", note, KEY, TEXT, KEY.sign_over(r, nonce, TEXT))
for note, public in (("y = p + 1", number(P + 1)), ("the identity with the sign bit set", number(1 | 1 << 255)), ("y = 2", number(2))):
    case("InvalidEncoding", f"a public key with {note}", public, TEXT, number(1) + number(0))

for note, more in (
    *((f"S + {n} L", n * L) for n in (1, 2, 4, 8, 14)),
    *((f"S + 2^{n}", 2**n) for n in (252, 253, 254, 255)),
    ("S + p", P),
):
    if S + more < 2**256:
        case("SignatureMalleability", note, KEY, TEXT, R + number(S + more))
case("SignatureMalleability", "-S", KEY, TEXT, R + number(L - S))

about = "Ed25519 signatures of the kinds by which verifiers differ, as strict verification (RFC 8032 5.1.7) takes them. Written by ed25519.py. Byte fields are hexadecimal."
lines = ",\n".join("    " + json.dumps(each) for each in cases)
print(f'{{\n  "about": {json.dumps(about)},\n  "cases": [\n{lines}\n  ]\n}}')
