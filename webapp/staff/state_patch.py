"""Undocumented interfaces of Reflex on the server of the staff pages: States, their changes, and connections.

On an upgrade of Reflex compare with `BaseState` in `reflex/state.py`, with `App` and `EventNamespace` in
`reflex/app.py`, and with `StateManagerMemory` in `reflex/istate/manager/memory.py`. Then run
`tests/unit/webapp/test_staff.py`, `tests/unit/webapp/test_staff_strangers.py` and `tests/webapp/test_staff.py`, and
change `VERSION`.
"""

import importlib.metadata
from collections.abc import Collection
from typing import Any

VERSION = "0.10.1"
"""The release that this module fits."""
if (_installed := importlib.metadata.version("reflex")) != VERSION:
    raise ImportError(f"reflex {_installed} is not {VERSION}: check {__name__} first")


def root_of(state: Any) -> Any:
    """Return the State of a tab that has all other ones as its parts."""
    return state._get_root_state()  # noqa: SLF001


async def take_changes(state: Any) -> dict[str, Any]:
    """Return the changes of a tab's States for its page, and mark them as sent, as Reflex's own middleware does."""
    root = root_of(state)
    changes: dict[str, Any] = await root._get_resolved_delta()  # noqa: SLF001
    root._clean()  # noqa: SLF001
    return changes


async def close_connection(app: Any, connection: str) -> None:
    """Close the connection of a session of Reflex."""
    await app.sio.eio.disconnect(app.sio.manager.eio_sid_from_sid(connection, app.event_namespace.namespace))


def purge_states(manager: Any, connected: Collection[str], most: int) -> None:
    """Purge the States of tabs without a connection, the longest unused first, until at most `most` States are left.

    A tab that connects again gets a new State, because its page reads everything anew.
    """
    surplus = len(manager.states) - most
    if surplus <= 0:
        return
    tokens, locks = manager._token_expires_at, manager._states_locks  # noqa: SLF001
    idle = [
        (expires_at, key)
        for key, (expires_at, token) in tokens.items()
        if key not in connected and not ((lock := locks.get(token.lock_key)) and lock.locked())
    ]
    for _, key in sorted(idle)[:surplus]:
        manager._purge_token(tokens[key][1])  # noqa: SLF001
