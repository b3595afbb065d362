"""What a browser says to the web app over its socket, without a browser: for crowds and for moves between processes.

All that depends on the names of pages, States and form fields stands in `AppNames.of` and `AppNames.booking`.
"""

import inspect
import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
import reflex as rx
import socketio
from reflex.state import BaseState
from reflex_base.config import get_config
from reflex_base.constants import Reflex
from reflex_base.utils.form import FORM_DATA_ENTRIES_KEY

from api.schemas import BUILT_IN_EVENT
from tests.stack import ROOT
from webapp.purchase import new_key

CONNECT_TIMEOUT_S = 30
_CONTEXT = ROOT / ".web" / "utils" / "context.jsx"

Update = dict[str, Any]


@dataclass(frozen=True)
class AppNames:
    """The names under which the built pages reach the app."""

    namespace: str
    hydrate: str
    on_load: str
    book: str
    book_argument: str
    check: str
    page: str
    """The address of the page that books."""
    state_schema: str
    state_hashes: list[str]
    """What the built pages send so that only differences come back."""
    stored: frozenset[str]
    """The State's variables that a browser keeps and sends when it connects."""

    @classmethod
    def of(cls, context: Path = _CONTEXT) -> Self:
        """Read them from the app and from what was built of it."""
        import webapp.webapp  # noqa: F401, PLC0415 - makes the States known

        root = rx.State.get_full_name()
        (booking,) = [state for state in _states(rx.State) if "book" in state.event_handlers]
        argument = list(inspect.signature(booking.event_handlers["book"].fn).parameters)[1]
        built = context.read_text(encoding="utf-8")
        return cls(
            namespace=get_config().get_event_namespace(),
            hydrate=f"{root}.hydrate_and_load",
            on_load=_found(r"'(\S+\.on_load_internal)'", built),
            book=f"{booking.get_full_name()}.book",
            book_argument=argument,
            check=f"{booking.get_full_name()}.check",
            page=f"/event/{BUILT_IN_EVENT}",
            state_schema=_found(r'stateSchema = "(\w+)"', built),
            state_hashes=json.loads(_found(r"initialStateHashes = (\[.*\])", built)),
            stored=frozenset(
                name for kind in json.loads(_found(r"clientStorage = (\{.*\})", built)).values() for name in kind
            ),
        )

    def booking(self, user_id: str, tier: str = "GA", quantity: int = 1) -> dict[str, Any]:
        """Return the event that the page's form sends."""
        form = {
            "click": f"{new_key()}.1",
            "event": BUILT_IN_EVENT,
            "tier": tier,
            "quantity": str(quantity),
            "ticket_ids": "",
            "user_id": user_id,
        }
        return {"name": self.book, "payload": {self.book_argument: {FORM_DATA_ENTRIES_KEY: list(form.items())}}}


def _states(state: type[BaseState]) -> Iterator[type[BaseState]]:
    yield state
    for substate in state.get_substates():
        yield from _states(substate)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, f"the built pages have no {pattern}"
    return found[1]


class SocketBrowser:
    """One tab."""

    def __init__(self, url: str, names: AppNames, http: aiohttp.ClientSession | None = None) -> None:
        self.names = names
        self.path = names.page
        self.token = str(uuid.uuid4())
        """The session storage's; another may be given by the server."""
        self.see: Callable[[Update], None] = lambda _update: None
        """Called with each update of the State that comes."""
        self.storage: dict[str, str] = {}
        """What the browser keeps for the State: local and session storage."""
        self.ended: list[str] = []
        """Why connections ended, in their order."""
        self._url = url
        self._client = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            http_session=http,
            websocket_extra_options={"protocols": [Reflex.VERSION]},
        )
        self._client.on("event", self._updated, namespace=names.namespace)
        self._client.on("new_token", self._renamed, namespace=names.namespace)
        self._client.on("disconnect", self._disconnected, namespace=names.namespace)

    async def connect(self, *, first: bool = True) -> None:
        """Connect and hydrate; once more after a lost connection with `first=False`.

        Raises:
            socketio.exceptions.ConnectionError: nobody listens there, or it refused.
        """
        payload: dict[str, Any] = {}
        if self.storage:
            payload["vars"] = self.storage
        if first:
            payload["hashes"] = self.names.state_hashes
        hydrate = {"name": self.names.hydrate, "payload": payload}
        await self._client.connect(
            f"{self._url}{self.names.namespace}?token={self.token}",
            headers={"Origin": self._url},
            auth={"event": self._routed(hydrate), "state_schema": self.names.state_schema},
            transports=["websocket"],
            namespaces=[self.names.namespace],
            socketio_path=self.names.namespace,
            wait_timeout=CONNECT_TIMEOUT_S,
        )

    async def send(self, event: dict[str, Any]) -> None:
        """Send one event of the page."""
        await self._client.emit("event", self._routed(event), namespace=self.names.namespace)

    async def visit(self, path: str) -> None:
        """Go to another page of the app, as a link or a redirect does."""
        self.path = path
        await self.send({"name": self.names.on_load})

    async def close(self) -> None:
        """Close the tab."""
        await self._client.disconnect()

    def _routed(self, event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "router_data": {"pathname": self.path, "asPath": self.path}}

    def _updated(self, update: Update) -> None:
        for state, changes in (update.get("delta") or {}).items():
            names = {f"{state}.{variable}": variable for variable in changes}
            self.storage |= {name: changes[names[name]] for name in names.keys() & self.names.stored}
        self.see(update)

    def _renamed(self, token: str) -> None:
        self.token = token

    def _disconnected(self, reason: str) -> None:
        self.ended.append(reason)


def redirected_to(update: Update) -> str:
    """Return the address that an update sends the page to, "" if it does not."""
    paths = [event["payload"]["path"] for event in update.get("events") or () if event["name"] == "_redirect"]
    return paths[0] if paths else ""
