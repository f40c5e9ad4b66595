"""An upstream that knows no errors of its own: it answers 200, says nothing, dies or babbles, as the path asks."""

from __future__ import annotations

import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _act(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        upstream = self.server.upstream
        if "fail-with" in self.headers:
            self._echo(body)
            return
        match self.path.split("?")[0].rsplit("/", 1)[-1]:
            case "die":
                self._reset()
            case "sleep":
                upstream.over.wait()
                self.close_connection = True
            case "hold":
                upstream.asked.release()
                upstream.let_go.wait()
                self._answer(b"{}")
            case _:
                self._answer(body or b"{}")

    do_GET = do_POST = _act

    def _answer(self, body: bytes) -> None:
        """What was sent comes back, so that a test can have any 200 that it likes."""
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _echo(self, body: bytes) -> None:
        """Fails as the header `fail-with` asks, and says all that it was told: what a careless API does."""
        told = [f"{name}: {value}" for name, value in self.headers.items()]
        error = {"message": " ".join([self.path, *told]), "param": self.path, "told": told, "body": body.decode()}
        how = self.headers["fail-with"]
        data = json.dumps({"error": error}).encode()
        if how == "stream":
            delta = {"choices": [{"delta": {"content": "a"}, "finish_reason": None}]}
            data = b"data: %s\n\ndata: %s\n\n" % (json.dumps(delta).encode(), data)
        self.send_response(200 if how == "stream" else int(how))
        self.send_header("content-type", "text/event-stream" if how == "stream" else "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("x-request-id", self.headers.get("authorization", "none"))
        self.send_header("x-echo", " ".join(told).replace("\n", " ")[:4000])
        self.end_headers()
        self.wfile.write(data)

    def _reset(self) -> None:
        """Closes without a word, and without the politeness of an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
        self.rfile = self.wfile = _Nothing()

    def log_message(self, *_args) -> None:
        """Says nothing: the tests speak."""


class _Nothing:
    """Stands where the files of a closed connection were."""

    closed = True

    def flush(self) -> None:
        """There is nothing to flush."""

    def close(self) -> None:
        """It is closed."""


class Plain:
    """The server, on a free port."""

    def __init__(self) -> None:
        # One for each request that is being held.
        self.asked = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.upstream = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Lets everybody go and closes its port."""
        self.over.set()
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()


def error_inside(**members: object) -> bytes:
    """A body that tells of an error, whatever its status says."""
    return json.dumps({"error": members}).encode()


def absent() -> str:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
