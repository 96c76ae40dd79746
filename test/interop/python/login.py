"""The login's second call, to the gateway's public REST."""

import base64
import json
import ssl
import urllib.request

from device_keys import EddsaKey, Es256Key


def confirm(edge_url: str, ca_file: str | None, challenge_id: str, code: str, key: EddsaKey | Es256Key) -> str:
    """Exchanges a login code for a session with this device key. Returns the session's id. Raises HTTPError if it is refused."""
    body = {
        "challenge_id": challenge_id,
        "code": code,
        "client_public_key": base64.b64encode(key.public_key).decode(),
        "client_key_algorithm": key.algorithm,
    }
    request = urllib.request.Request(
        f"{edge_url}/api/v1/public/auth/confirm-email-code",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    trust = ssl.create_default_context(cafile=ca_file) if ca_file else None
    with urllib.request.urlopen(request, context=trust) as response:
        return json.load(response)["device_session_id"]
