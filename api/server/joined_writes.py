"""Writes of one turn of the event loop, joined into one system call and one packet."""

import asyncio
from typing import Any

_JOINED_BYTES_MAX = 65_536
"""Size above which a copy of the data costs more than a system call. So much data is written at once."""


class JoinedWrites:
    """A transport that joins small writes. uvicorn writes the headers of a response apart from its body."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._bytes = 0

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the transport."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write data before the event loop waits for the network again."""
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)
        self._bytes += len(data)
        if self._bytes > _JOINED_BYTES_MAX:
            self.flush()

    def write_at_once(self, data: bytes) -> None:
        """Write data now if no data is queued; otherwise queue it."""
        if self._parts:
            self.write(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Write all data, then close the connection."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Write the collected data now."""
        parts, self._parts = self._parts, []
        size, self._bytes = self._bytes, 0
        if self._transport.is_closing():
            return
        if size <= _JOINED_BYTES_MAX:
            parts = [b"".join(parts)]
        for part in parts:
            self._transport.write(part)
