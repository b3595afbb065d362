"""Limits for whoever connects to the server of the staff pages, before the session is known.

Everybody can connect, because programs invent the header `Origin`. Reflex logs each unknown event with its whole
content, and keeps the State of each tab for an hour. So a few connections could fill the disk and the memory.

`protect` wraps the handlers of Reflex's connections, and `webapp/staff/state_patch.py` asserts the release of Reflex.
"""

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from webapp.settings import StaffLimits
from webapp.staff.state_patch import purge_states

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

TOKEN_MAX = 64
"""The longest token of a tab. A browser sends a UUID."""
_ROUTE_TEXTS = ("pathname", "asPath", "origin")


def has_token(scope: Message) -> bool:
    """Return True if a websocket names its tab. Reflex logs every event of a connection without a token."""
    parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    tokens = [value for name, value in parameters if name == "token"]
    return len(tokens) == 1 and 0 < len(tokens[0]) <= TOKEN_MAX


def limited(receive: Receive, limits: StaffLimits, clock: Callable[[], float] = time.monotonic) -> Receive:
    """Return a `receive` that ends a connection with too many messages; `clock` returns monotonic seconds."""
    waiting, last, ended = 0.0, clock(), False

    async def receive_limited() -> Message:
        nonlocal waiting, last, ended
        if not ended:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            now = clock()
            waiting, last = max(0.0, waiting - (now - last) * limits.messages_per_s) + 1, now
            ended = waiting > limits.messages_burst
            if not ended:
                return message
        return {"type": "websocket.disconnect", "code": 1008}

    return receive_limited


def protect(app: Any, handlers: Mapping[str, Callable[..., Any]], states_max: int) -> None:
    """Let an app ignore events that no page sends, and purge the States of tabs that have gone.

    Args:
        app: Reflex's app, after its start.
        handlers: the functions that handle events, by the names of the events.
        states_max: the most States in memory, as long as fewer tabs are connected.
    """
    namespace = app.event_namespace
    known = {name: inspect.signature(handler) for name, handler in handlers.items()}
    connect, handle = namespace.on_connect, namespace.on_event

    async def on_connect(sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        purge_states(app.state_manager, namespace.token_to_sid, states_max)
        await connect(sid, environ, auth)

    async def on_event(sid: str, data: Any) -> None:
        if is_event(data, known):
            await handle(sid, data)

    namespace.on_connect, namespace.on_event = on_connect, on_event


def is_event(data: Any, known: Mapping[str, inspect.Signature]) -> bool:
    """Return True if a page could send an event: a handler takes its payload, and its route has the usual types."""
    if not isinstance(data, dict) or not isinstance(name := data.get("name"), str) or name not in known:
        return False
    payload, route = data.get("payload", {}), data.get("router_data", {})
    # No State of the staff pages keeps variables in the browser, which a page would send back.
    if not isinstance(payload, dict) or payload.get("vars") or not isinstance(route, dict):
        return False
    try:
        known[name].bind(None, **payload)
    except TypeError:
        return False
    texts = (route.get(part, "") for part in _ROUTE_TEXTS)
    return isinstance(route.get("query", {}), dict) and all(isinstance(text, str) for text in texts)
