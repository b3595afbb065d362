"""Staff in tests: sessions, roles, and tabs that connect to the staff pages' server without a browser."""

import asyncio
import contextlib
import functools
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from uuid import uuid4

import aiohttp
import httpx
import socketio  # type: ignore[import-untyped]

from api.account_schemas import Role
from api.commands.accounts import grant, revoke
from api.config import Settings
from api.database import queries
from api.database.pool import Pool, open_pool
from api.database.session import Statement
from api.database.session import open_session as open_db_session
from api.services.accounts.sessions import start_session
from api.services.accounts.sign_in import AccountRow, send_link
from tests.stack import PLAIN_HTTP, Stack, application_url

NAMESPACE = "/staff/_event"
STATE = "reflex___state____state"
SHOW = "webapp___staff___session____staff_state.show_failure"
"""An event that shows a text."""
WAIT_S = 40.0
_POLL_S = 0.02


class Refused(Exception):
    """The server has refused a connection."""


@contextlib.asynccontextmanager
async def _pool_of(stack: Stack) -> AsyncIterator[tuple[Pool, Settings]]:
    settings = Settings.from_env(stack.environment)
    async with open_pool(application_url(stack.database_url), settings) as pool:
        yield pool, settings


async def send_sign_in_link(stack: Stack, email: str) -> None:
    """Send a link to sign in without a request, because all tests of a system share its limit of requests."""
    async with _pool_of(stack) as (pool, settings):
        await send_link(pool, settings, email, "en")


async def open_session(stack: Stack, email: str) -> str:
    """Start a session; return the browser's cookie as `NAME=VALUE`."""
    parameters = {"email": email, "locale": "en"}
    async with _pool_of(stack) as (pool, settings), open_db_session(pool) as session:
        (row,) = await session.run(Statement(queries.accounts.upsert_verified, parameters, AccountRow))
        opened = await start_session(session, settings, row.id, row.public_id)
    return f"session={opened.token.text}"


async def refresh(stack: Stack, cookie: str) -> str:
    """Exchange the cookie of a browser, as the buyers' pages do; return the next one."""
    headers = {"Cookie": cookie, "Origin": stack.web_url}
    async with httpx.AsyncClient(base_url=stack.api_url, trust_env=False, verify=PLAIN_HTTP) as client:
        refreshed = (await client.post("/api/sessions/refresh", headers=headers)).raise_for_status()
    return str(refreshed.headers["Set-Cookie"].partition(";")[0])


async def sign_out(stack: Stack, cookie: str) -> None:
    """End the session of a cookie."""
    headers = {"Cookie": cookie, "Origin": stack.web_url}
    async with httpx.AsyncClient(base_url=stack.api_url, trust_env=False, verify=PLAIN_HTTP) as client:
        opened = (await client.post("/api/sessions/access", headers=headers)).raise_for_status()
        bearer = {"Authorization": f"Bearer {opened.json()['accessToken']}"}
        (await client.delete("/api/sessions/current", headers=bearer)).raise_for_status()


async def grant_role(stack: Stack, email: str, role: Role, event: str | None = None) -> None:
    """Grant a role for an event, or for all events."""
    await grant(application_url(stack.database_url), Settings.from_env(stack.environment), email, role, event)


async def revoke_role(stack: Stack, email: str, role: Role) -> None:
    """Revoke a role for all events."""
    assert await revoke(application_url(stack.database_url), Settings.from_env(stack.environment), email, role, None)


class Tab:
    """A browser's tab that is connected to the server. `state` is what its page would show."""

    def __init__(self, client: socketio.AsyncClient, path: str) -> None:
        self.client = client
        self.path = path
        self.state: dict[str, Any] = {}
        self.received: list[str] = []
        client.on("event", self._receive, namespace=NAMESPACE)

    async def send(self, handler: str, **payload: Any) -> None:
        """Send an event, such as `overview.load`."""
        await self.client.emit("event", self.event(handler, payload), namespace=NAMESPACE)

    async def send_refused(self, handler: str, **payload: Any) -> None:
        """Send an event, and wait for the update that replaces its handler."""
        received = len(self.received)
        await self.send(handler, **payload)
        await self._wait(lambda: len(self.received) > received)

    async def lose_access(self) -> None:
        """Send events until the server grants no access, or closes the connection so that the tab opens another."""
        deadline = time.monotonic() + WAIT_S
        for number in itertools.count():
            if not self._has_access():
                return
            assert time.monotonic() < deadline, "still granted"
            await self.send(SHOW, text=str(number))
            await self._wait(functools.partial(self._responded, str(number)))

    async def until(self, **expected: Any) -> None:
        """Wait until variables have values."""
        await self._wait(lambda: all(self.state.get(name) == value for name, value in expected.items()), str(expected))

    def _responded(self, text: str) -> bool:
        return self.state["failure"] == text or not self._has_access()

    def _has_access(self) -> bool:
        return bool(self.client.connected and self.state["access"] == "granted")

    async def _wait(self, condition: Callable[[], bool], what: str = "a response") -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, f"{what} not in {self.state}"
            await asyncio.sleep(_POLL_S)

    def event(self, handler: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        router = {"pathname": self.path, "asPath": self.path, "query": {}, "origin": "http://localhost"}
        return {"name": f"{STATE}.{handler}", "payload": payload, "router_data": router}

    def _receive(self, update: Any) -> None:
        self.received.append(str(update))
        for variables in (update.get("delta") or {}).values():
            self.state.update({name.removesuffix("_rx_state_"): value for name, value in variables.items()})


@contextlib.asynccontextmanager
async def _http_session() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session that closes each response. aiohttp keeps that of a socket whose end the client has not read."""
    trace = aiohttp.TraceConfig()
    with contextlib.ExitStack() as responses:

        async def keep(_session: Any, _context: Any, ended: aiohttp.TraceRequestEndParams) -> None:
            responses.callback(ended.response.close)

        trace.on_request_end.append(keep)
        async with aiohttp.ClientSession(trace_configs=[trace]) as http:
            yield http


@contextlib.asynccontextmanager
async def open_tab(
    stack: Stack,
    cookie: str = "",
    *,
    token: str = "",
    path: str = "/",
    headers: Mapping[str, str] | None = None,
    load: bool = True,
    port: int = 0,
) -> AsyncIterator[Tab]:
    """Connect a tab with a token and a cookie, as the page at a path does; `headers` replace those of the page.

    Raises:
        Refused: the server has refused the connection.
    """
    async with _http_session() as http:  # A refused client does not close a session of its own.
        client = socketio.AsyncClient(reconnection=False, http_session=http)
        tab = Tab(client, path)
        sent = {"Origin": stack.web_url, "Cookie": cookie, **(headers or {})}
        try:
            await client.connect(
                f"http://127.0.0.1:{port or stack.staff_port}{NAMESPACE}?token={token or uuid4()}",
                headers={name: value for name, value in sent.items() if value},
                auth={"event": tab.event("hydrate_and_load", {})} if load else {},
                transports=["websocket"],
                namespaces=[NAMESPACE],
                socketio_path=NAMESPACE,
                wait_timeout=int(WAIT_S),
            )
        except socketio.exceptions.ConnectionError as error:
            raise Refused(str(error)) from error
        try:
            yield tab
        finally:
            await client.disconnect()
