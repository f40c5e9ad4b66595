"""The programs under test, each started on free ports and ended by its own id."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from pathlib import Path

# A busy machine needs a moment to start a program; a program that never says that it is ready has failed.
READY_S = 30


def binary() -> str:
    """The program under test."""
    path = os.environ.get("APLOMB_BIN")
    if not path:
        raise RuntimeError("APLOMB_BIN must name the aplomb binary; `cargo xtask test` builds it and says so")
    return str(Path(path).resolve())


class Program:
    """A running `aplomb`, and everything that it says."""

    def __init__(self, args: list[str], ready: str, env: dict[str, str] | None = None) -> None:
        self.args = args
        self._said: list[str] = []
        self._grown = threading.Condition()
        self._over = False
        self._process = subprocess.Popen(
            [binary(), *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.banner = self.wait_for(ready)

    def _read(self) -> None:
        for line in self._process.stdout:
            with self._grown:
                self._said.append(line)
                self._grown.notify_all()
        with self._grown:
            self._over = True
            self._grown.notify_all()

    @property
    def said(self) -> str:
        """Everything on its standard output and error so far."""
        with self._grown:
            return "".join(self._said)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Waits until it has said something that fits."""
        found: list[re.Match[str]] = []

        def heard() -> bool:
            found[:] = [match] if (match := re.search(pattern, "".join(self._said))) else []
            return bool(found) or self._over

        with self._grown:
            self._grown.wait_for(heard, timeout=READY_S)
        if not found:
            raise AssertionError(f"`aplomb {' '.join(self.args)}` never said {pattern!r}:\n{self.said}")
        return found[0]

    def tell(self, signal: int) -> None:
        """Sends it a signal."""
        self._process.send_signal(signal)

    def stop(self) -> int:
        """Ends it, and returns its exit status."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            status = self._process.wait(timeout=READY_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join(timeout=READY_S)
        return status


# Named rather than made: nothing of a test is kept in the user's own folders.
ADMIN_TOKEN = "token-of-the-tests"


class Gateway(Program):
    """`aplomb serve` with a configuration."""

    def __init__(self, folder: Path, config: str, env: dict[str, str] | None = None) -> None:
        file = folder / "aplomb.toml"
        file.write_text(config)
        args = ["serve", "--config", str(file), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        super().__init__([*args, "--workers", "2"], r"serves (http://\S+), health on (http://\S+)", {"APLOMB_ADMIN_TOKEN": ADMIN_TOKEN, **(env or {})})
        self.url, self.admin = self.banner.group(1), self.banner.group(2)


class Mock(Program):
    """`aplomb mock`: an API that fails as it is asked to."""

    def __init__(self, dialect: str) -> None:
        super().__init__(["mock", dialect, "--listen", "127.0.0.1:0"], r" on (http://[^;\s]+)")
        self.url = self.banner.group(1)


def upstream(name: str, url: str, dialect: str, more: str = "") -> str:
    """A `[[upstream]]` of a configuration."""
    return f'[[upstream]]\nname = "{name}"\nurl = "{url}"\ndialect = "{dialect}"\n{more}\n'


def route(path: str, upstream: str, answer: str | None = None, more: str = "") -> str:
    """A `[[route]]` that asks its upstream once."""
    told = f'answer = "{answer}"\n' if answer else ""
    return f'[[route]]\npath = "{path}"\nupstream = "{upstream}"\n{told}retry = {{ attempts = 1 }}\n{more}\n'
