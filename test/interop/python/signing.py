"""The bytes to sign, written from proto/README.md, "What is signed", independently of the gateway's code."""

import struct


def signing_input(domain: str, *fields: str | int | bytes) -> bytes:
    """For each field: its length as four big-endian bytes, then its bytes."""
    return b"".join(struct.pack(">I", len(data)) + data for data in map(_to_bytes, (domain, *fields)))


def _to_bytes(field: str | int | bytes) -> bytes:
    if isinstance(field, str):
        return field.encode()
    if isinstance(field, int):
        return struct.pack(">q", field)
    return field


def request_input(e) -> bytes:
    idempotency_key = (e.idempotency_key,) if e.idempotency_key else ()
    return signing_input(
        "sallyport.request.v1",
        e.protocol_version, e.device_session_id, e.message_type, e.timestamp_ms, e.request_id, e.payload_hash, *idempotency_key,
    )


def response_input(request, e) -> bytes:
    """Takes session, message type and request id from the request, so a response to another request does not verify."""
    return signing_input(
        "sallyport.response.v1",
        e.protocol_version, request.device_session_id, request.message_type, request.request_id,
        e.timestamp_ms, e.result_code, e.payload_hash, e.key_id,
    )


def event_input(e) -> bytes:
    return signing_input(
        "sallyport.event.v1",
        e.protocol_version, e.event_type, e.event_id, e.audience, e.timestamp_ms, e.payload_hash, e.key_id,
    )
