"""Whoever connects to the staff pages' server can neither fill the log nor the memory."""

import importlib
import inspect
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from reflex.istate.manager.memory import StateManagerMemory
from reflex.istate.manager.token import BaseStateToken
from reflex.state import State
from reflex_base.registry import RegistrationContext

from webapp.settings import StaffLimits
from webapp.staff.state_patch import purge_states
from webapp.staff.strangers import is_event, limited, protect

importlib.import_module("webapp.staff.app")
HANDLERS = {name: found.handler.fn for name, found in RegistrationContext.get().event_handlers.items()}
KNOWN = {name: inspect.signature(handler) for name, handler in HANDLERS.items()}
ROUTE = {"pathname": "/people", "asPath": "/people?a=b", "query": {"a": "b"}, "origin": "http://localhost:3000"}
LOAD = "reflex___state____state.hydrate_and_load"
(GRANT,) = (name for name in HANDLERS if name.endswith("people_state.grant"))
EVENTS = [
    {"name": LOAD, "payload": {}, "router_data": ROUTE},
    {"name": LOAD},
    {"name": GRANT, "payload": {"form": {"email": "ann@example.org"}}, "router_data": ROUTE},
]
LIMITS = StaffLimits(messages_per_s=3, messages_burst=20, states_max=30)
NO_EVENTS: list[Any] = [
    None,
    "text",
    {"name": "x" * 60_000},
    {"name": ["x"]},
    {"name": LOAD, "payload": {"vars": {"a": 1}}},
    {"name": LOAD, "payload": {"unknown": 1}},
    {"name": LOAD, "payload": ["x"]},
    {"name": LOAD, "router_data": ["x"]},
    {"name": LOAD, "router_data": ROUTE | {"query": "a=b"}},
    {"name": LOAD, "router_data": ROUTE | {"pathname": 5}},
    {"name": GRANT, "payload": {}},
]


@pytest.fixture
async def manager() -> AsyncIterator[Any]:
    kind: Any = StateManagerMemory
    manager = kind(token_expiration=3600)
    yield manager
    await manager.close()


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_of_a_page_is_admitted(event: dict[str, Any]) -> None:
    assert is_event(event, KNOWN)


@pytest.mark.parametrize("event", NO_EVENTS, ids=lambda event: str(event)[:60])
def test_no_other_event_is_admitted(event: Any) -> None:
    assert not is_event(event, KNOWN)


async def test_a_connection_with_too_many_messages_ends() -> None:
    now = 0.0

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.receive", "text": "x"}

    receive_limited = limited(receive, LIMITS, lambda: now)

    async def admitted() -> int:
        count = 0
        while count <= LIMITS.messages_burst and (await receive_limited())["type"] == "websocket.receive":
            count += 1
        return count

    for _ in range(LIMITS.messages_burst):
        assert (await receive_limited())["type"] == "websocket.receive"
    now += 2.0
    assert await admitted() == 2 * LIMITS.messages_per_s
    now += 60.0
    assert await receive_limited() == {"type": "websocket.disconnect", "code": 1008}


async def test_states_without_a_connection_are_purged_the_oldest_first(manager: Any) -> None:
    for name in ("one", "two", "three", "four"):
        await manager.get_state(BaseStateToken(ident=name, cls=State))
    purge_states(manager, {"one"}, 2)
    assert list(manager.states) == ["one", "four"]
    purge_states(manager, {"one", "four"}, 1)
    assert list(manager.states) == ["one", "four"]
    async with manager.modify_state(BaseStateToken(ident="four", cls=State)):
        purge_states(manager, {}, 1)
        assert list(manager.states) == ["four"]


async def test_the_app_handles_only_events_of_pages_and_has_a_bounded_number_of_states(manager: Any) -> None:
    handled: list[Any] = []

    async def connect(sid: str, *_: object) -> None:
        await manager.get_state(BaseStateToken(ident=sid, cls=State))

    async def handle(_: str, data: Any) -> None:
        handled.append(data)

    namespace = SimpleNamespace(on_connect=connect, on_event=handle, token_to_sid={})
    protect(SimpleNamespace(event_namespace=namespace, state_manager=manager), HANDLERS, LIMITS.states_max)
    for event in [*NO_EVENTS, *EVENTS]:
        await namespace.on_event("sid", event)
    assert handled == EVENTS
    for number in range(LIMITS.states_max + 50):
        await namespace.on_connect(str(number), {})
    assert len(manager.states) == LIMITS.states_max + 1
