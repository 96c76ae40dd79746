"""A backend for Sallyport: logins, sessions, three commands, and the push feed. In memory, for one process.

    pip install grpcio==1.85.1 grpcio-tools==1.85.1
    python backend.py --http 127.0.0.1:9000 --push 127.0.0.1:9001

proto/backend.md, "Backend REST" and "Push feed", is the contract. Login codes are printed to standard output instead of mailed.
"""

import argparse
import hmac
import json
import secrets
import sys
import threading
import uuid
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
push_pb, push_rpc = grpc.protos_and_services("sallyport/v1/push.proto")

CODE_ATTEMPTS_MAX = 5
KEEPALIVE_SECONDS = 15

lock = threading.Condition()
challenges: dict[str, dict] = {}  # challenge_id -> {email, code, attempts}
sessions: dict[str, dict] = {}  # device_session_id -> the record that the session look-up returns
names: dict[str, str] = {}  # user_id -> display name
feed: list = []  # every PushEvent since the start; its cursor is its index + 1. A real backend keeps a bounded window.
boot_id = uuid.uuid4().hex  # a cursor of another run cannot be resumed from


def publish(**kind) -> None:
    """Appends to the feed. Call it after the change is stored: a look-up must not see the old state afterwards."""
    with lock:
        feed.append(push_pb.PushEvent(cursor=f"{boot_id}.{len(feed) + 1}", **kind))
        lock.notify_all()


class Push(push_rpc.PushServicer):
    def SubscribePush(self, request, context):
        run, _, index = request.cursor.rpartition(".")
        if request.cursor and run != boot_id:
            context.abort(grpc.StatusCode.OUT_OF_RANGE, "cannot resume from this cursor")
        sent = int(index) if request.cursor else len(feed)
        # The first message sends the response headers: the gateway takes the feed for up from then on.
        yield push_pb.PushEvent(cursor=f"{boot_id}.{sent}")
        while context.is_active():
            with lock:
                lock.wait_for(lambda: len(feed) > sent, timeout=KEEPALIVE_SECONDS)
                batch = feed[sent:] or [push_pb.PushEvent(cursor=f"{boot_id}.{sent}")]
                sent = len(feed)
            yield from batch


def send_code(body: dict) -> tuple[int, dict]:
    challenge_id, code = str(uuid.uuid4()), f"{secrets.randbelow(10**6):06d}"
    challenges[challenge_id] = {"email": body["email"], "code": code, "attempts": 0}
    print(json.dumps({"mail_to": body["email"], "challenge_id": challenge_id, "code": code}), flush=True)
    return 200, {"challenge_id": challenge_id}


def confirm_code(body: dict) -> tuple[int, dict]:
    with lock:
        challenge = challenges.get(body["challenge_id"])  # compared exactly, as it was given out
        if challenge is None or challenge["attempts"] >= CODE_ATTEMPTS_MAX:
            return 404, {"code": "challenge_not_found", "message": "ask for a new code"}
        challenge["attempts"] += 1
        if not hmac.compare_digest(challenge["code"].encode(), body["code"].encode()):
            return 422, {"code": "code_wrong", "message": "the code is wrong"}
        del challenges[body["challenge_id"]]
    session_id, user_id = str(uuid.uuid4()), str(uuid.uuid5(uuid.NAMESPACE_DNS, challenge["email"].lower()))
    sessions[session_id] = {
        "device_session_id": session_id,
        "user_id": user_id,
        "client_public_key": body["client_public_key"],
        "client_key_algorithm": body.get("client_key_algorithm", "EdDSA"),
        "status": "active",
    }
    return 200, {"device_session_id": session_id}


def profile(user_id: str, _session_id: str, _body: dict) -> tuple[int, dict]:
    return 200, {"user_id": user_id, "display_name": names.get(user_id, "")}


def log_out(user_id: str, session_id: str, _body: dict) -> tuple[int, dict]:
    sessions[session_id]["status"] = "revoked"
    publish(session_invalidation=push_pb.SessionInvalidation(user_id=user_id, device_session_id=session_id, reason="logout"))
    return 200, {}


def rename(user_id: str, _session_id: str, body: dict) -> tuple[int, dict]:
    if not body.get("display_name"):
        return 422, {"code": "display_name_empty", "message": "the display name is empty"}
    names[user_id] = body["display_name"]
    payload = json.dumps({"display_name": names[user_id]}).encode()
    publish(client_event=push_pb.ClientEvent(user_id=user_id, event_type="profile.changed", payload_bytes=payload))
    return 200, {"display_name": names[user_id]}


PUBLIC = {"/api/v1/public/auth/send-email-code": send_code, "/api/v1/public/auth/confirm-email-code": confirm_code}
PROFILE, LOGOUT = "/api/v1/user/profile", "/api/v1/user/logout"
COMMANDS = {("GET", PROFILE): profile, ("PATCH", PROFILE): rename, ("POST", LOGOUT): log_out}
SESSIONS = "/api/v1/internal/sessions/"


class Rest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        not_found = (404, {"code": "not_found", "message": "no such resource"})
        if self.command == "GET" and self.path.startswith(SESSIONS):
            record = sessions.get(self.path.removeprefix(SESSIONS))
            status, result = (200, record) if record else not_found
        elif self.command == "POST" and self.path in PUBLIC:
            status, result = PUBLIC[self.path](body)
        elif command := COMMANDS.get((self.command, self.path)):
            # Only the gateway reaches this port: it has verified who the user is.
            status, result = command(self.headers["X-User-Id"], self.headers["X-Device-Session-Id"], body)
        else:
            status, result = not_found
        content = json.dumps(result).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_args) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", default="127.0.0.1:9000")
    parser.add_argument("--push", default="127.0.0.1:9001")
    options = parser.parse_args()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    push_rpc.add_PushServicer_to_server(Push(), server)
    push_port = server.add_insecure_port(options.push)
    server.start()
    host, _, port = options.http.rpartition(":")
    rest = ThreadingHTTPServer((host, int(port)), Rest)
    print(json.dumps({"http": f"http://{host}:{rest.server_port}", "push": f"http://{host}:{push_port}"}), flush=True)
    rest.serve_forever()


if __name__ == "__main__":
    main()
