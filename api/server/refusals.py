"""Responses to requests that no application can handle."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple


class Refusals(NamedTuple):
    """The complete responses to two kinds of requests. The server closes their connection."""

    malformed: bytes
    """The response to a request that is not HTTP/1.1."""
    oversized: bytes
    """The response to a request with too long headers."""


def refusal(headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> bytes:
    """Return a complete response with status 400 that ends its connection."""
    status = HTTPStatus.BAD_REQUEST
    lines = [
        b"HTTP/1.1 %d %b" % (status, status.phrase.encode()),
        *(b"%b: %b" % header for header in headers),
        b"content-length: %d" % len(body),
        b"connection: close",
    ]
    return b"\r\n".join([*lines, b"", body])


BARE_REFUSALS = Refusals(malformed=refusal(), oversized=refusal())
"""Refusals without headers and bodies of their own."""
