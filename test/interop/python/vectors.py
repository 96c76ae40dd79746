"""Prints as JSON what this code makes of test/vectors/golden-additions.json: `python vectors.py FILE`. ../go/vectors.go prints the same."""

import base64
import json
import sys
from types import SimpleNamespace

from device_keys import KEYS, verifier_of
from signing import request_input


def main(path: str) -> None:
    with open(path) as file:
        vectors = json.load(file)
    accepted = [is_accepted(base64.b64decode(each["client_public_key"])) for each in vectors["public_keys_refused"]]
    print(json.dumps({"cases": [result_of(case) for case in vectors["cases"]], "keys_accepted": accepted}))


def result_of(case: dict) -> dict:
    """Reads only the secret key, the fields of the request and the signatures."""
    algorithm = case["client_key_algorithm"]
    key = KEYS[algorithm](base64.b64decode(case["device_secret_key"]))
    data = request_input(SimpleNamespace(**case["request"], payload_hash=base64.b64decode(case["payload_hash"])))
    verify = verifier_of(algorithm, key.public_key)
    return {
        "signing_input": base64.b64encode(data).decode(),
        "public_key": base64.b64encode(key.public_key).decode(),
        "verdicts": [verify(data, base64.b64decode(each["signature"])) for each in case["signatures"]],
        "signature": base64.b64encode(key.sign(data)).decode(),
    }


def is_accepted(public_key: bytes) -> bool:
    try:
        verifier_of("ES256", public_key)
        return True
    except ValueError:
        return False


main(sys.argv[1])
