"""The captured answers of `conformance/`, with what they truly mean."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dialects import ROOT, kinds

CONFORMANCE = ROOT / "conformance"


@dataclass(frozen=True)
class Truth:
    """What an answer means, whatever its status says."""

    kind: str
    retryable: bool
    retry_after_s: float | None
    message: str | None
    code: str | None
    type: str | None
    param: str | None
    request_id: str | None


@dataclass(frozen=True)
class Case:
    """One answer, byte for byte."""

    dialect: str
    name: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    truth: Truth

    @property
    def key(self) -> str:
        """The path segment by which the replay server finds it."""
        return f"{self.dialect}--{self.name}"

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream of events."""
        return any(k.lower() == "content-type" and "event-stream" in v for k, v in self.headers)

    @property
    def json(self):
        """Its body as JSON, or None."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def _truth(members: dict) -> Truth:
    return Truth(**{name: members.get(name) for name in Truth.__dataclass_fields__})


def _captured(folder: Path) -> Case:
    raw = (folder / "answer.http").read_bytes()
    head, body = min(
        (raw.split(gap, 1) for gap in (b"\r\n\r\n", b"\n\n") if gap in raw), key=lambda parts: len(parts[0])
    )
    first, *lines = head.decode("latin-1").splitlines()
    _version, status, *reason = first.split(" ", 2)
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    truth = _truth(json.loads((folder / "meaning.json").read_text())["truth"])
    return Case(folder.parent.name, folder.name, int(status), " ".join(reason), headers, body, truth)


@cache
def captured() -> tuple[Case, ...]:
    """Every case of every dialect."""
    return tuple(_captured(path.parent) for path in sorted(CONFORMANCE.glob("*/*/answer.http")))


# What no parser may tidy up: comments, an id, an event of several lines, an unusual end of line.
HEALTHY = Case(
    "openai",
    "healthy",
    200,
    "OK",
    (("content-type", "text/event-stream"), ("x-request-id", "req_healthy")),
    b": keep-alive\n\n"
    b'id: 1\ndata: {"choices":[{"index":0,"delta":{"content":"\xc3\xa4"},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"index":0,\ndata:  "delta":{"content":"b"},"finish_reason":null}]}\n\n'
    b'data:{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"error":null}\r\n\r\n'
    b"data: [DONE]\n\n",
    Truth("unknown", False, None, None, None, None, None, None),
)


@cache
def corpus() -> tuple[Case, ...]:
    """The collected errors that stand in one file."""
    lines = (CONFORMANCE / "corpus/errors.jsonl").read_text().splitlines()
    return tuple(_collected(json.loads(line)) for line in lines)


def _collected(line: dict) -> Case:
    headers = tuple(line["headers"].items())
    body = line["body"].encode()
    if not any(name.lower() == "content-type" for name, _ in headers):
        is_json = body.lstrip()[:1] in (b"{", b"[")
        headers += (("content-type", "application/json" if is_json else "text/plain"),)
    truth = _truth(line["truth"])
    # Where nobody wrote the status down it is the one that says no more than the body.
    status = line["status"] or kinds()[truth.kind]["status"]
    return Case(line["provider"], line["id"], status, "", headers, body, truth)
