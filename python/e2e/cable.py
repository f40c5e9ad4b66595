"""A cable to a server, which a test can cut and join again: what a restart looks like from the other end."""

from __future__ import annotations

import asyncio


class Cable:
    """Passes bytes both ways while it is whole."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._whole = True
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def lay(self) -> int:
        """Lays it, and says at which port of this machine it begins."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Cuts every connection, and lets no other one through."""
        self._whole = False
        for end in list(self._ends):
            end.transport.abort()

    def mend(self) -> None:
        """Lets connections through again."""
        self._whole = True

    def take_up(self) -> None:
        """Takes it up for good."""
        self.cut()
        self._server.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        try:
            behind_reader, behind = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        self._ends |= {writer, behind}
        try:
            await asyncio.gather(self._pass(reader, behind), self._pass(behind_reader, writer))
        except asyncio.CancelledError:
            # The test is over while somebody still holds the other end.
            pass
        self._ends -= {writer, behind}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()
