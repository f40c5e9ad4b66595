"""The API of `examples/fastapi/`, run by uvicorn: it answers 200, 201 and 206, and for these tests also sleeps and dies."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

from dialects import ROOT

EXAMPLE = ROOT / "examples/fastapi"
READY_S = 30


class Notes:
    """The server, on a free port."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._grown = threading.Condition()
        args = ["--app-dir", str(Path(__file__).parent), "--host", "127.0.0.1", "--port", "0", "--no-access-log"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *args, "misbehaving:app"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self._wait_for(r"running on (http://\S+)")

    def _read(self) -> None:
        for line in self._process.stdout:
            with self._grown:
                self._said.append(line)
                self._grown.notify_all()

    def _wait_for(self, pattern: str) -> str:
        found: list[str] = []

        def heard() -> bool:
            found[:] = re.findall(pattern, "".join(self._said))[:1]
            return bool(found) or self._process.poll() is not None

        with self._grown:
            self._grown.wait_for(heard, timeout=READY_S)
        if not found:
            raise AssertionError(f"uvicorn never said {pattern!r}:\n{''.join(self._said)}")
        return found[0]

    def stop(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        self._reader.join(timeout=READY_S)
