"""A server that answers with captured bytes, chosen by the first segment of the path, and counts its requests."""

from __future__ import annotations

import re
import socketserver
import threading
from collections import Counter
from collections.abc import Iterable

from cases import Case

# What frames a body on the wire was between the provider and whoever wrote the answer down.
FRAMING = {"content-length", "transfer-encoding", "connection", "keep-alive"}


def _head(case: Case, framing: str) -> bytes:
    lines = [f"HTTP/1.1 {case.status} {case.reason}"]
    lines += [f"{name}: {value}" for name, value in case.headers if name.lower() not in FRAMING]
    return ("\r\n".join([*lines, framing]) + "\r\n\r\n").encode("latin-1")


def wire(case: Case) -> bytes:
    """The answer as it goes over the wire: a stream event by event, anything else at once."""
    if not case.is_stream:
        return _head(case, f"content-length: {len(case.body)}") + case.body
    events = re.findall(rb".+?(?:\n\n|\Z)", case.body, re.DOTALL)
    chunks = [b"%x\r\n%s\r\n" % (len(event), event) for event in events]
    return _head(case, "transfer-encoding: chunked") + b"".join(chunks) + b"0\r\n\r\n"


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while (path := self._request()) is not None:
            self.wfile.write(self.server.replay.answer(path))

    def _request(self) -> str | None:
        """Reads one request to its end; its path, or None once the connection is over."""
        line = self.rfile.readline()
        if not line.strip():
            return None
        headers = {}
        while (header := self.rfile.readline().strip()):
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        self._body(headers)
        return line.split(b" ")[1].decode("latin-1")

    def _body(self, headers: dict[str, str]) -> None:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while (size := int(self.rfile.readline(), 16)):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(headers.get("content-length", 0)))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


class Replay:
    """The server, on a free port."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self.counts: Counter[str] = Counter()
        self._answers = {case.key: wire(case) for case in cases}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.replay = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str) -> bytes:
        """The bytes for a request, which is counted."""
        key = path.split("?")[0].split("/")[1]
        with self._lock:
            self.counts[key] += 1
        return self._answers[key]

    def stop(self) -> None:
        """Closes its port."""
        self._server.shutdown()
        self._server.server_close()
