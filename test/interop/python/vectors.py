"""
Prints as JSON what this code makes of the vectors: `python vectors.py FOLDER`. FOLDER is test/vectors. ../go/vectors.go prints the
same. Bytes are printed in base64.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

from device_keys import KEYS, EddsaKey, verifier_of
from signing import event_input, request_input, response_input

WYCHEPROOF = {"EdDSA": "wycheproof-ed25519.json", "ES256": "wycheproof-ecdsa-p256-p1363.json"}


def main(folder: Path) -> None:
    def read(name: str) -> dict:
        return json.loads((folder / name).read_text())

    additions = read("golden-additions.json")
    print(json.dumps({
        "golden": [golden_result(case) for case in read("golden.json")["cases"]],
        "additions": [addition_result(case) for case in additions["cases"]],
        "keys_accepted": [is_accepted(decode(each["client_public_key"])) for each in additions["public_keys_refused"]],
        "wycheproof": {algorithm: wycheproof_verdicts(algorithm, read(name)) for algorithm, name in WYCHEPROOF.items()},
    }))


def golden_result(case: dict) -> dict:
    """Reads only the secret keys, the payload, the fields of the messages and their signatures."""
    device, gateway = (EddsaKey(decode(case[name])) for name in ("device_secret_key", "gateway_secret_key"))
    common = {"payload_hash": hashlib.sha256(decode(case["payload_bytes"])).digest(), "key_id": key_id_of(gateway)}
    request = SimpleNamespace(**case["request"], **common, idempotency_key="")
    response, event = (SimpleNamespace(**case[name], **common) for name in ("response", "event"))
    return {
        "device_public_key": encode(device.public_key),
        "gateway_public_key": encode(gateway.public_key),
        "key_id": common["key_id"],
        "payload_hash": encode(common["payload_hash"]),
        "request": signed_result(device, request_input(request), request.signature),
        "response": signed_result(gateway, response_input(request, response), response.signature),
        "event": signed_result(gateway, event_input(event), event.signature),
    }


def key_id_of(key: EddsaKey) -> str:
    """The RFC 7638 thumbprint of the public key."""
    members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": base64url(key.public_key)}, separators=(",", ":"))
    return base64url(hashlib.sha256(members.encode()).digest())


def signed_result(key: EddsaKey, data: bytes, signature: str) -> dict:
    verify = verifier_of("EdDSA", key.public_key)
    return {"signing_input": encode(data), "signature": encode(key.sign(data)), "verdict": verify(data, decode(signature))}


def addition_result(case: dict) -> dict:
    """Reads only the secret key, the fields of the request and the signatures."""
    algorithm = case["client_key_algorithm"]
    key = KEYS[algorithm](decode(case["device_secret_key"]))
    data = request_input(SimpleNamespace(**case["request"], payload_hash=decode(case["payload_hash"])))
    verify = verifier_of(algorithm, key.public_key)
    return {
        "signing_input": encode(data),
        "public_key": encode(key.public_key),
        "verdicts": [verify(data, decode(each["signature"])) for each in case["signatures"]],
        "signature": encode(key.sign(data)),
    }


def is_accepted(public_key: bytes) -> bool:
    try:
        verifier_of("ES256", public_key)
        return True
    except ValueError:
        return False


def wycheproof_verdicts(algorithm: str, suite: dict) -> list[bool]:
    verdicts = []
    for group in suite["testGroups"]:
        key = group["publicKey"]
        verify = verifier_of(algorithm, bytes.fromhex(key["pk"] if algorithm == "EdDSA" else key["uncompressed"]))
        verdicts += [verify(bytes.fromhex(one["msg"]), bytes.fromhex(one["sig"])) for one in group["tests"]]
    return verdicts


def decode(text: str) -> bytes:
    return base64.b64decode(text)


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


main(Path(sys.argv[1]))
