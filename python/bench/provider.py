"""The provider's own account: what `aplomb mock` saw, on the clock of the callers."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any, NamedTuple


class Seen(NamedTuple):
    """One request that reached the provider; `at` is a time of `time.perf_counter`."""

    at: float
    status: int | None
    tokens: int


class Provider:
    """A mock with its address, and how its clock stands to ours."""

    def __init__(self, url: str) -> None:
        self._url = url
        began = time.perf_counter()
        # A scenario costs nothing of the limits that are measured.
        self._fetch("/v1/chat/completions", {"model": "mock:ok", "messages": []})
        between = (began + time.perf_counter()) / 2
        # What its clock showed at zero of ours.
        self._started = between - self._rows()[-1]["at_ms"] / 1000
        self.begin()

    def begin(self) -> float:
        """Empties its log, from which moment on it counts the time until an outage."""
        self._fetch("/_mock/log", method="DELETE")
        return time.perf_counter()

    def seen(self) -> list[Seen]:
        """Everything since then, oldest first."""
        return [
            # It counts a quarter of the body's bytes, rounded up.
            Seen(self._started + row["at_ms"] / 1000, row["status"], -(-row["body_bytes"] // 4))
            for row in self._rows()
        ]

    def _rows(self) -> list[dict[str, Any]]:
        return self._fetch("/_mock/log")

    def _fetch(self, path: str, body: object = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method=method)
        # No proxy of this machine stands between two programs on it.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)
