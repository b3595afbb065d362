"""HTTP semantics: weights of `Accept-Encoding`, and HEAD."""

import asyncio
from typing import Any, cast

import pytest
from litestar.types import HTTPScope, Message

from api.http.semantics import HttpSemantics, accepts_gzip


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("gzip ; q=0.001", True),
        ("*", True),
        ("gzip;level=9", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("notgzip", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("GZIP; Q=0", False),
        ("br, gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity;q=0, *;q=0", False),
        ("gzip;q=nonsense", False),
        (",;,=", False),
    ],
)
def test_gzip_is_used_if_the_client_accepts_it(accept_encoding: str, *, accepted: bool) -> None:
    assert accepts_gzip(accept_encoding) is accepted


def send_through(method: str, *sent: Message) -> tuple[str, list[Message]]:
    """Return the method that the framework receives, and the messages of its response that pass."""
    received: list[str] = []
    passed: list[Message] = []

    async def framework(scope: Any, _receive: Any, send: Any) -> None:
        received.append(scope["method"])
        for message in sent:
            await send(message)

    async def collect(message: Message) -> None:
        passed.append(message)

    async def nothing() -> Any:
        return {"type": "http.disconnect"}

    scope = cast("HTTPScope", {"type": "http", "method": method, "headers": []})
    asyncio.run(HttpSemantics(cast("Any", framework))(scope, nothing, collect))
    return received[0], passed


def start(**headers: str) -> Message:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return cast("Message", {"type": "http.response.start", "status": 200, "headers": raw})


def body(part: bytes, *, more: bool) -> Message:
    return cast("Message", {"type": "http.response.body", "body": part, "more_body": more})


def test_head_has_the_headers_of_get_and_no_body() -> None:
    head = start(**{"content-length": "9"})
    assert send_through("HEAD", head, body(b"one", more=True), body(b"two", more=False)) == (
        "GET",
        [head, body(b"", more=False)],
    )


def test_get_passes_unchanged() -> None:
    messages = [start(), body(b"one", more=True), body(b"two", more=False)]
    assert send_through("GET", *messages) == ("GET", messages)


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ("GET, OPTIONS", "GET, HEAD, OPTIONS"),
        ("GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS"),
        ("OPTIONS, POST", "OPTIONS, POST"),
    ],
)
def test_head_is_allowed_where_get_is(sent: str, passed: str) -> None:
    assert send_through("OPTIONS", start(allow=sent))[1] == [start(allow=passed)]
