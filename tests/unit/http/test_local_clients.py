"""Routes for operators on the port of buyers admit only direct clients on the same machine."""

from typing import Any, cast

import pytest
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from api.errors import Forbidden
from api.http.local_clients import guard_local

HANDLER = cast("BaseRouteHandler", None)


def connection(
    client: str | None, own: str = "127.0.0.1", version: str = "1.1", **headers: str
) -> ASGIConnection[Any, Any, Any, Any]:
    scope = {
        "type": "http",
        "http_version": version,
        "client": client and (client, 50_000),
        "server": (own, 3001),
        "headers": [(name.encode(), value.encode()) for name, value in ({"host": "localhost:3001"} | headers).items()],
    }
    return ASGIConnection(cast("Any", scope))


@pytest.mark.parametrize(
    ("client", "own"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.9.9.9", "127.0.0.1"),
        ("::1", "::1"),
        ("::ffff:127.0.0.1", "::"),
        ("192.0.2.7", "192.0.2.7"),  # The machine itself, through its public address.
        ("2001:db8::7", "2001:DB8:0::7"),
    ],
)
async def test_a_client_on_this_machine_is_admitted(client: str, own: str) -> None:
    await guard_local(connection(client, own), HANDLER)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", "127.0.0.1"),
        ("127.0.0.1:3001", "127.0.0.1"),
        ("[::1]:3001", "::1"),
        ("api.localhost:3001", "127.0.0.1"),
        ("192.0.2.7:3001", "192.0.2.7"),
        ("[2001:db8::7]:3001", "2001:DB8:0::7"),
    ],
)
async def test_a_request_for_this_machine_is_admitted(host: str, own: str) -> None:
    await guard_local(connection(own, own, host=host), HANDLER)


@pytest.mark.parametrize(
    "host", ["", "rebound.example:3001", "localhost.example", "192.0.2.8", "127.0.0.1.example", "[::1", "localhost@x"]
)
async def test_a_request_for_another_host_is_refused(host: str) -> None:
    """A foreign page in a browser on this machine can let its own name lead to the API."""
    with pytest.raises(Forbidden):
        await guard_local(connection("127.0.0.1", host=host), HANDLER)


async def test_the_default_of_nginx_is_refused() -> None:
    with pytest.raises(Forbidden):
        await guard_local(connection("127.0.0.1", version="1.0"), HANDLER)


@pytest.mark.parametrize("client", ["192.0.2.7", "10.0.0.1", "2001:db8::7", "::ffff:192.0.2.7", "", None, "unix"])
async def test_any_other_client_is_refused(client: str | None) -> None:
    with pytest.raises(Forbidden):
        await guard_local(connection(client), HANDLER)


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-real-ip", "via", "x-forwarded-proto"])
async def test_a_request_through_a_proxy_on_this_machine_is_refused(header: str) -> None:
    with pytest.raises(Forbidden):
        await guard_local(connection("127.0.0.1", **{header: "127.0.0.1"}), HANDLER)
