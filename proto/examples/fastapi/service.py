"""Rooms with messages, and login by e-mail code. SQLite keeps the data."""

import logging
import secrets
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.middleware.base import RequestResponseEndpoint

DATABASE = "service.db"
BACKEND_TOKEN = Path("backend.token").read_text().strip()
PUSH_TOKEN = Path("push.token").read_text().strip()
CODE_SECONDS, ATTEMPTS_MAX = 600, 5

with closing(sqlite3.connect(DATABASE)) as setup:
    setup.executescript("""
        CREATE TABLE IF NOT EXISTS challenges (id TEXT PRIMARY KEY, email TEXT, code TEXT, expires REAL, attempts INT DEFAULT 0);
        CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, user_id TEXT, public_key TEXT, algorithm TEXT, status TEXT);
        CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, room TEXT, user_id TEXT, session_id TEXT, text TEXT,
            idempotency_key TEXT, UNIQUE (session_id, idempotency_key));
    """)

push = httpx.Client(base_url="http://127.0.0.1:8085", headers={"Authorization": f"Bearer {PUSH_TOKEN}"}, timeout=5)


def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(DATABASE, check_same_thread=False)) as connection:
        connection.row_factory = sqlite3.Row
        with connection:
            yield connection


app = FastAPI()


@app.middleware("http")
async def only_the_gateway(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """The headers with the user are trusted, so no other client may call the service."""
    given = request.headers.get("authorization", "")
    if not secrets.compare_digest(given.encode(), f"Bearer {BACKEND_TOKEN}".encode()):
        return JSONResponse({"code": "unauthenticated"}, 401, {"WWW-Authenticate": "Bearer"})
    return await call_next(request)


Database = Annotated[sqlite3.Connection, Depends(database, scope="function")]
UserId = Annotated[str, Header(alias="X-User-Id")]
SessionId = Annotated[str, Header(alias="X-Device-Session-Id")]
IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key")]


class Mail(BaseModel):
    email: str


class Login(BaseModel):
    challenge_id: str
    code: str
    client_public_key: str
    client_key_algorithm: str = "EdDSA"


class Message(BaseModel):
    text: str = Field(min_length=1, max_length=2000)


@app.post("/login/code")
def send_code(mail: Mail, db: Database) -> dict:
    challenge_id, code = str(uuid.uuid4()), f"{secrets.randbelow(10**6):06}"
    db.execute("DELETE FROM challenges WHERE expires < ?", (time.time(),))
    db.execute(
        "INSERT INTO challenges (id, email, code, expires) VALUES (?, ?, ?, ?)",
        (challenge_id, mail.email.lower(), code, time.time() + CODE_SECONDS),
    )
    with open("outbox.txt", "a") as outbox:  # Stands for the mail server.
        outbox.write(f"{code}\n")
    return {"challenge_id": challenge_id}


@app.post("/login", response_model=None)
def login(body: Login, db: Database) -> dict | JSONResponse:
    # One statement counts the attempt, so that concurrent guesses cannot exceed the maximum.
    challenge = db.execute(
        "UPDATE challenges SET attempts = attempts + 1 WHERE id = ? AND attempts < ? AND expires > ? RETURNING email, code",
        (body.challenge_id, ATTEMPTS_MAX, time.time()),
    ).fetchone()
    # A returned answer commits the attempt. A raised HTTPException would roll it back.
    if challenge is None or not secrets.compare_digest(challenge["code"].encode(), body.code.encode()):
        return JSONResponse({"code": "code_wrong", "message": "the code is wrong or has expired"}, 422)
    db.execute("DELETE FROM challenges WHERE id = ?", (body.challenge_id,))
    session_id, user_id = str(uuid.uuid4()), str(uuid.uuid5(uuid.NAMESPACE_URL, f"mailto:{challenge['email']}"))
    db.execute(
        "INSERT INTO sessions VALUES (?, ?, ?, ?, 'active')",
        (session_id, user_id, body.client_public_key, body.client_key_algorithm),
    )
    return {"device_session_id": session_id}


@app.get("/internal/sessions/{session_id}")
def session(session_id: str, db: Database) -> dict:
    row = db.execute(
        "SELECT id AS device_session_id, user_id, public_key AS client_public_key, algorithm AS client_key_algorithm, status"
        " FROM sessions WHERE id = ?",
        (session_id,),
    ).fetchone()
    if row is None:
        raise HTTPException(404)
    return dict(row)


@app.get("/v2/rooms/{room}/messages")
def messages(room: str, db: Database, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> list[dict]:
    rows = db.execute("SELECT id, text FROM messages WHERE room = ? ORDER BY rowid DESC LIMIT ?", (room, limit))
    return [dict(row) for row in rows]


@app.post("/v2/rooms/{room}/messages", status_code=201)
def send(room: str, message: Message, user: UserId, session: SessionId, key: IdempotencyKey) -> dict:
    with closing(sqlite3.connect(DATABASE)) as db, db:
        db.execute(
            "INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?, ?, ?)", (str(uuid.uuid4()), room, user, session, message.text, key)
        )
        (message_id, text), members = (
            db.execute("SELECT id, text FROM messages WHERE session_id = ? AND idempotency_key = ?", (session, key)).fetchone(),
            db.execute("SELECT DISTINCT user_id FROM messages WHERE room = ?", (room,)).fetchall(),
        )
    payload = {"room": room, "text": text}
    publish([{"user_id": member, "event_type": "room.message", "event_id": message_id, "payload": payload} for (member,) in members])
    return {"id": message_id}


def publish(events: list[dict]) -> None:
    """Sends the events to everybody who has written in the room. A repeat with the same event_id is published once."""
    try:
        push.post("/publish", json={"events": events}).raise_for_status()
    except httpx.HTTPError:
        logging.exception("events not published")
