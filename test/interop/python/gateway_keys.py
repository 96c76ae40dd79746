"""Verifies responses and events with the gateway's public keys."""

import base64
import hashlib
import json
import ssl
import urllib.request

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signing import event_input, response_input


class GatewayKeys:
    def __init__(self, edge_url: str, ca_file: str | None) -> None:
        trust = ssl.create_default_context(cafile=ca_file) if ca_file else None
        with urllib.request.urlopen(f"{edge_url}/.well-known/jwks.json", context=trust) as response:
            self._keys = dict(map(_key_of, json.load(response)["keys"]))

    def check_response(self, request, response) -> None:
        """Raises unless the gateway signed the response for this request."""
        if response.envelope.request_id != request.request_id:
            raise ValueError("request_id differs from the request's")
        self._check(response, response_input(request, response.envelope))

    def check_event(self, event) -> None:
        self._check(event, event_input(event.envelope))

    def _check(self, message, signed: bytes) -> None:
        if hashlib.sha256(message.payload_bytes).digest() != message.envelope.payload_hash:
            raise ValueError("payload_hash does not match the payload")
        self._keys[message.envelope.key_id].verify(message.signature, signed)


def _key_of(jwk: dict[str, str]) -> tuple[str, Ed25519PublicKey]:
    """Returns key id and key. Checks that the key id is the key's RFC 7638 thumbprint."""
    if (jwk["kty"], jwk["crv"]) != ("OKP", "Ed25519"):
        raise ValueError(f"not an Ed25519 key: {jwk}")
    members = json.dumps({"crv": jwk["crv"], "kty": jwk["kty"], "x": jwk["x"]}, separators=(",", ":"))
    if jwk["kid"] != _base64url(hashlib.sha256(members.encode()).digest()):
        raise ValueError(f"kid is not the key's thumbprint: {jwk}")
    return jwk["kid"], Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(jwk["x"] + "="))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
