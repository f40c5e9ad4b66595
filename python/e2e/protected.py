"""Every contract before the API of `examples/fastapi/`: by what each status is caused, and what each must look like."""

from __future__ import annotations

import http.client
import json
import socket
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from dialects import ROOT, dialect
from notes import EXAMPLE
from running import route, upstream

CONTRACTS = ("mixedbread", "meibel", "groq", "mimo", "agenthuman", "openai", "anthropic", "problem", "fastapi")

GOOD = {"model": "notes-small", "messages": [{"role": "user", "content": "Say this."}]}
CHAT = "/v1/chat/completions"


def config(app: str, absent: str, names: tuple[str, ...] = CONTRACTS, store: str = "") -> str:
    """Routes for each contract: before the app, by its document and without; before nobody; and before a limit."""
    quick = 'credential = "none"\ntimeouts = { connect = "2s", headers = "300ms" }'
    rules = f'validate = "{EXAMPLE}/openapi.json"\nreplay_bytes = "64KiB"'
    text = '[server]\nbody_timeout = "300ms"\nmemory = "1MiB"\n'
    text += upstream("app", app, "openai", quick) + upstream("absent", absent, "openai", quick)
    text += upstream("limited", app, "openai", 'credential = "none"\nlimits = { requests = "1/min burst 1" }')
    text += '[tier.free]\nrequests = "1/min"\nper = "route"\n'
    text += upstream("groq", app, "groq", 'credential = "none"') + upstream("patient", app, "openai", 'credential = "none"')
    if store:
        text += f'[store]\nurl = "sqlite:{store}"\n'
        for name in names:
            text += route(f"/keyed/{name}", "app", answer=name, more='keys = "required"')
            text += route(f"/priced/{name}", "app", answer=name, more='keys = "required"\nprice = { request = 1000 }')
            text += route(f"/once/{name}", "app", answer=name, more='idempotency = "optional"')
    for name in names:
        text += route(f"/{name}", "app", answer=name, more=rules)
        text += route(f"/absent/{name}", "absent", answer=name, more=rules)
        text += route(f"/bare/{name}", "groq", answer=name)
        text += route(f"/patient/{name}", "patient", answer=name)
        text += route(f"/tier/{name}", "app", answer=name, more='tier = "free"')
        text += route(f"/limited/{name}", "limited", answer=name, more='queue = { max_wait = "0s" }')
    return text


@dataclass(frozen=True)
class Trigger:
    """How a failure is really caused."""

    what: str
    kind: str
    send: Callable[[str, str], httpx.Response]
    # Nobody but the upstream can cause it: it says so itself.
    by_upstream: bool = False


def get(path: str, **more) -> Callable[[str, str], httpx.Response]:
    """One request without a body."""
    return lambda origin, name: httpx.get(f"{origin}{path.replace('NAME', name)}", timeout=20, **more)


def post(body: object = None, *, raw: bytes | None = None, method: str = "POST", **headers) -> Callable:
    """One request with a body, to the completions."""
    content = json.dumps(body).encode() if raw is None else raw
    said = {"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda origin, name: httpx.request(
        method, f"{origin}/{name}{CHAT}", content=content, headers=said, timeout=20
    )


def without(member: str) -> dict:
    """A good body but for one member."""
    return {name: value for name, value in GOOD.items() if name != member}


UPGRADE = {"connection": "upgrade", "upgrade": "websocket"}


def _too_much(origin: str, name: str) -> httpx.Response:
    """A body of which nobody knows the length before it is longer than all memory."""
    pieces = (b" " * 65_536 for _ in range(32))
    return httpx.post(f"{origin}/bare/{name}{CHAT}", content=pieces, timeout=20)


def _twice(origin: str, path: str) -> httpx.Response:
    """The second request of a minute in which there may be one."""
    for _ in range(2):
        answer = httpx.get(f"{origin}/{path}/v1/notes", timeout=20)
    return answer


def _slow(origin: str, name: str) -> httpx.Response:
    """A body of nine bytes of which one comes."""
    parts = urlsplit(origin)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as wire:
        wire.sendall(f"POST /{name}{CHAT} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: 9\r\n\r\n{{".encode())
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())


TRIGGERS = [
    Trigger("a body that is no JSON", "invalid_request", post(raw=b'{\n  "model": }')),
    Trigger("a body that isn't what it is packed as", "invalid_request", post(raw=b"x", content_encoding="gzip")),
    Trigger("a page of another site", "permission", get("/NAME/v1/notes", headers={"origin": "https://elsewhere.example"})),
    Trigger("a path that isn't there", "not_found", get("/NAME/v1/gone")),
    Trigger("a method that isn't taken", "method_not_allowed", post(GOOD, method="DELETE")),
    Trigger("an answer that isn't offered", "not_acceptable", get("/NAME/v1/notes", headers={"accept": "text/html"})),
    Trigger("a body of more than 64 KiB", "payload_too_large", post(raw=b" " * 70_000)),
    Trigger("a body that is text", "unsupported_media_type", post(GOOD, content_type="text/plain")),
    Trigger("a model that isn't there", "validation", post({**GOOD, "model": "notes-smal"})),
    Trigger("a value out of its range", "validation", post({**GOOD, "temperature": 9})),
    Trigger("memory for requests that is full", "unavailable", lambda origin, name: _too_much(origin, name)),
    Trigger("a limit on what the upstream is asked", "rate_limit", lambda origin, name: _twice(origin, f"limited/{name}")),
    Trigger("a tier that is used up", "rate_limit", lambda origin, name: _twice(origin, f"tier/{name}")),
    Trigger("an upgrade to a WebSocket", "not_implemented", get("/NAME/v1/notes", headers=UPGRADE)),
    Trigger("a body that stops on its way", "timeout", lambda origin, name: _slow(origin, name)),
    # Only in a build for tests (`--features mishap`).
    Trigger("a bug of the gateway's own", "internal", post(GOOD, x_mishap="1")),
    Trigger("an upstream that is absent", "bad_gateway", get("/absent/NAME/v1/notes")),
    Trigger("an upstream that dies", "bad_gateway", get("/NAME/v1/notes/die")),
    Trigger("an upstream that sleeps", "gateway_timeout", get("/NAME/v1/notes/sleep")),
    *(
        Trigger(f"an upstream that says {status}", kind, get(f"/bare/NAME/v1/notes/status{status}"), by_upstream=True)
        for status, kind in ((410, "not_found"), (424, "dependency_failed"), (498, "overloaded"))
    ),
]


def keyed(contract: str, key: str) -> dict[str, str]:
    """A key of ours, sent as the contract sends keys."""
    auth = dialect(contract).get("auth", {"header": "authorization", "prefix": "Bearer "})
    return {auth["header"]: auth.get("prefix", "") + key}


def documented(contract: str) -> set[int]:
    """The statuses of failures that the contract's own page or its other pages list."""
    listed = {int(status) for status in dialect(contract)["statuses"]}
    page = ROOT / f"conformance/contracts/{contract}.toml"
    if page.exists():
        listed |= set(tomllib.loads(page.read_text())["statuses"])
    return {status for status in listed if status >= 400}


def text(value: object) -> bool:
    """Something that was said."""
    return isinstance(value, str) and value != ""


def check(contract: str, answer: httpx.Response) -> None:
    """That an answer is of the contract: its status, its headers, its members with values of their types."""
    status, body = answer.status_code, answer.json()
    closed = dialect(contract).get("closed", False)
    assert status in documented(contract) or not closed, f"{contract} documents no {status}"
    expected = "application/problem+json" if contract == "problem" else "application/json"
    assert answer.headers["content-type"].split(";")[0] == expected
    assert text(answer.headers["aplomb-request-id"])
    assert answer.headers["x-should-retry"] in ("true", "false")
    if "retry-after" in answer.headers:
        assert int(answer.headers["retry-after"]) >= 0
    SHAPES[contract](status, body, answer)


def _mixedbread(status: int, body: dict, _answer: httpx.Response) -> None:
    if "detail" in body:
        assert status == 422
        _details(body["detail"])
    else:
        assert text(body["message"]) and text(body["type"])


def _meibel(_status: int, body: dict, answer: httpx.Response) -> None:
    assert text(body["message"]) and text(body["type"]) and text(body["code"])
    assert body["param"] is None or text(body["param"])
    assert body["request_id"] == answer.headers["x-request-id"]


def _groq(_status: int, body: dict, answer: httpx.Response) -> None:
    assert text(body["error"]["message"]) and text(body["error"]["type"])
    assert text(answer.headers["x-request-id"])


def _mimo(status: int, body: dict, _answer: httpx.Response) -> None:
    page = tomllib.loads((ROOT / "conformance/contracts/mimo.toml").read_text())
    assert body["error"]["type"] == "error" and text(body["error"]["message"])
    assert body["error"]["code"] in page["codes"][str(status)]


def _agenthuman(_status: int, body: dict, _answer: httpx.Response) -> None:
    error = body["error"]
    assert set(body) == {"error"} and text(error["code"]) and text(error["message"])
    assert set(error) <= {"code", "message", "details"}
    assert text(error["details"]["request_id"])


def _openai(_status: int, body: dict, answer: httpx.Response) -> None:
    error = body["error"]
    assert text(error["message"]) and text(error["type"])
    assert {"param", "code"} <= set(error)
    assert text(answer.headers["x-request-id"])


def _anthropic(_status: int, body: dict, answer: httpx.Response) -> None:
    assert body["type"] == "error" and text(body["error"]["type"]) and text(body["error"]["message"])
    assert body.get("request_id", answer.headers["request-id"]) == answer.headers["request-id"]


def _problem(status: int, body: dict, _answer: httpx.Response) -> None:
    assert body["status"] == status and text(body["title"]) and text(body["detail"])


def _fastapi(status: int, body: dict, _answer: httpx.Response) -> None:
    if isinstance(body["detail"], list):
        assert status == 422
        _details(body["detail"])
    else:
        assert text(body["detail"])


def _details(details: list) -> None:
    assert details
    for one in details:
        assert text(one["type"]) and text(one["msg"])
        assert one["loc"] and one["loc"][0] in ("body", "query", "path", "header")


SHAPES = {
    "mixedbread": _mixedbread,
    "meibel": _meibel,
    "groq": _groq,
    "mimo": _mimo,
    "agenthuman": _agenthuman,
    "openai": _openai,
    "anthropic": _anthropic,
    "problem": _problem,
    "fastapi": _fastapi,
}
