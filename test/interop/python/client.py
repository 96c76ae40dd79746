"""A scripted client of the gateway. It reads steps from standard input and writes their outcomes to standard output, one JSON object per
line. ../driver.ts defines both."""

import argparse
import hashlib
import json
import secrets
import sys
import time
import uuid
from urllib.parse import urlsplit

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from device_keys import KEYS, EddsaKey, Es256Key
from gateway_keys import GatewayKeys
from login import confirm
from sallyport.v1 import gateway_pb2, gateway_pb2_grpc
from signing import request_input


class Device:
    """Signs requests of one device session."""

    def __init__(self, session_id: str, key: EddsaKey | Es256Key) -> None:
        self._session_id = session_id
        self._key = key

    def sign(self, request_type, message_type: str, payload: bytes = b"", ms_ago: int = 0):
        envelope = gateway_pb2.RequestEnvelope(
            protocol_version="v1",
            device_session_id=self._session_id,
            message_type=message_type,
            timestamp_ms=time.time_ns() // 1_000_000 - ms_ago,
            request_id=str(uuid.uuid4()),
            payload_hash=hashlib.sha256(payload).digest(),
        )
        signature = self._key.sign(request_input(envelope))
        return request_type(envelope=envelope, payload_bytes=payload, signature=signature)


class Client:
    """The state between steps. It keeps the last request for the step "repeat", and the open stream."""

    def __init__(self, channel: grpc.Channel, device: Device | None, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._gateway = gateway_pb2_grpc.GatewayStub(channel)
        self._device = device
        self._keys = GatewayKeys(arguments.edge, arguments.ca)
        self._last = None
        self._stream = None

    def run(self, step: dict) -> dict:
        return getattr(self, f"do_{step['do']}")(step)

    def do_login(self, step: dict) -> dict:
        key = KEYS[step["algorithm"]](secrets.token_bytes(32))
        session_id = confirm(self._arguments.edge, self._arguments.ca, step["challenge_id"], step["code"], key)
        self._device = Device(session_id, key)
        return {"device_session_id": session_id}

    def do_call(self, step: dict) -> dict:
        payload = step.get("payload", "").encode()
        ms_ago = step.get("signed_ms_ago", 0)
        self._last = self._device.sign(gateway_pb2.ExecuteCommandRequest, step["message_type"], payload, ms_ago)
        return self.do_repeat(step)

    def do_repeat(self, step: dict) -> dict:
        timeout_s = step["timeout_ms"] / 1000 if "timeout_ms" in step else None
        compression = grpc.Compression.Gzip if step.get("gzip") else None
        response = self._gateway.ExecuteCommand(self._last, timeout=timeout_s, compression=compression)
        self._keys.check_response(self._last.envelope, response)
        return {"result_code": response.envelope.result_code, "payload": response.payload_bytes.decode()}

    def do_subscribe(self, step: dict) -> dict:
        self._stream = self._gateway.SubscribeEvents(self._device.sign(gateway_pb2.SubscribeEventsRequest, "gateway.subscribe"))
        return self.do_next(step)

    def do_next(self, _step: dict) -> dict:
        event = next(self._stream, None)
        if event is None:
            return {"error": {"code": "ok", "message": "the stream ended"}}
        self._keys.check_event(event)
        envelope = event.envelope
        return {"event_type": envelope.event_type, "audience": envelope.audience, "payload": event.payload_bytes.decode()}

    def do_cancel(self, step: dict) -> dict:
        self._stream.cancel()
        return self.do_next(step)


def failure_of(error: grpc.RpcError) -> dict:
    """Converts an error of grpcio. Reason, domain and metadata come from its google.rpc.ErrorInfo, if it has one."""
    code = error.code().name.lower()
    failure = {"code": {"cancelled": "canceled"}.get(code, code), "message": error.details()}
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = ErrorInfo()
        if detail.Unpack(info):
            failure |= {"reason": info.reason, "domain": info.domain, "metadata": dict(info.metadata)}
    return failure


def open_channel(url: str, ca_file: str | None) -> grpc.Channel:
    target = urlsplit(url).netloc
    if ca_file is None:
        return grpc.insecure_channel(target)
    with open(ca_file, "rb") as file:
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(file.read()))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("-url", required=True, help="URL of the gateway's gRPC listener")
    parser.add_argument("-edge", required=True, help="URL of the gateway's edge, for the JWKS")
    parser.add_argument("-ca", help="PEM file of the trusted certificates, for https URLs")
    parser.add_argument("-session", help="device session id; missing if the step \"login\" opens the session")
    parser.add_argument("-seed", help="seed of the device's Ed25519 key, in hex")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    device = Device(arguments.session, EddsaKey(bytes.fromhex(arguments.seed))) if arguments.session else None
    with open_channel(arguments.url, arguments.ca) as channel:
        client = Client(channel, device, arguments)
        for line in sys.stdin:
            started_s = time.monotonic()
            try:
                outcome = client.run(json.loads(line))
            except grpc.RpcError as error:
                outcome = {"error": failure_of(error)}
            outcome["elapsed_ms"] = round((time.monotonic() - started_s) * 1000)
            print(json.dumps(outcome), flush=True)


main()
