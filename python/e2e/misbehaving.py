"""The API of the example, with paths that sleep, die, or say what only an upstream can: never imported, run by uvicorn."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples/fastapi"))
sys.dont_write_bytecode = True

from app import app as notes  # noqa: E402


async def app(scope, receive, send) -> None:
    """Does as the last part of the path says, or what the example does."""
    path = scope.get("path", "")
    if scope["type"] == "http" and path.startswith("/v1/notes/sleep"):
        await asyncio.sleep(3600)
    elif scope["type"] == "http" and path.startswith("/v1/notes/die"):
        # Ends the connection after the head and before the body: uvicorn closes it.
        headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        raise ConnectionResetError("as the path asked")
    elif scope["type"] == "http" and path.startswith("/v1/notes/status"):
        await _say(int(path.removeprefix("/v1/notes/status")[:3]), send)
    else:
        await notes(scope, receive, send)


async def _say(status: int, send) -> None:
    """What nobody but the upstream can cause."""
    body = json.dumps({"error": {"message": "Only the upstream can say so.", "type": "upstream_error"}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
