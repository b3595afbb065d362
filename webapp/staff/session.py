"""The binding of State to the session in the cookie of the browser's connection.

`SessionGate` runs before every event handler, so that no handler can forget the check. It reads the account from the
API, which refuses an ended session. Without a session or a role it clears the State and refuses the event. A page reads
its data anew at each load, and no decision depends on a variable of the State.

`webapp/staff/server.py` also makes the key of a State from the cookie, so that two sessions never share one.
"""

import asyncio
import logging
from typing import Any, Literal

import reflex as rx
from reflex.event import Event, EventSpec
from reflex.middleware.middleware import Middleware
from reflex.state import BaseState, StateUpdate

from webapp.staff import texts
from webapp.staff.api import Api, AwayError, LimitedError, RefusedError, SessionEndedError, session_cookie, session_id
from webapp.staff.state_patch import close_connection, root_of, take_changes

_log = logging.getLogger(__name__)

Access = Literal["checking", "granted", "no_role", "signed_out", "away"]

FRAMEWORK_EVENTS = frozenset({"hydrate", "hydrate_and_load", "on_load_internal", "set_is_hydrated"})
"""Reflex's own handlers, which a page without access needs as well. They send nothing but the cleared State."""
_LEAVING = "sign_out"
"""The handler that a session without a role may call, too."""
_WITHOUT_DATA = frozenset({"on_load_internal", "set_is_hydrated"})
"""The handlers of Reflex that read no data. The others send the whole State, and so need the check."""

_apis: list[Api] = []
"""The client of the API; none before `use_api`."""


def use_api(api: Api) -> None:
    """Set the client of the API for all handlers of this process."""
    _apis[:] = [api]


class StaffState(rx.State):
    """The base of the states of all staff pages. Pages only show its variables."""

    access: Access = "checking"
    """The outcome of the last check, for the frame of the page."""
    email: str = ""
    """The address of the account."""
    roles: list[dict[str, str]] = []  # noqa: RUF012 - Reflex copies the default
    """The roles of the account, each with its `name` and its `scope`."""
    failure: str = ""
    """The reason for which the last action failed."""
    _session_id: str = ""
    """The session to which the State is bound."""
    _proved_on: str = ""
    """The connection on which the API last accepted the cookie."""

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return the body of the response to a request as the caller of this connection's session.

        Raises:
            SessionEndedError, RefusedError, AwayError: a handler need not catch them; see `report_failure`.
        """
        cookie, address = session_cookie(self.router.headers.cookie), self.router.session.client_ip
        return await _apis[0].request(cookie, address, method, path, body)

    def _bind(self) -> None:
        """Bind the State to the session in the connection's cookie. Clear it if it is bound to another one."""
        found = session_id(session_cookie(self.router.headers.cookie))
        if self._session_id != found:
            self._clear()
            self._session_id = found

    async def _check(self) -> bool:
        """Set `access` by the API's response, and clear the State without access.

        Returns:
            False if the API refuses a cookie that it has accepted on this connection. Another tab may have exchanged
            it, and a new connection has the present one.
        """
        connection = self.router.session.session_id
        was_proved = self._proved_on == connection
        access = await self._find_access()
        if access != "granted":
            self._clear()
        is_old = access == "signed_out" and was_proved
        self._proved_on = connection if access == "granted" else ""
        self.access = "checking" if is_old else access
        return not is_old

    async def _find_access(self) -> Access:
        """Return the access of the session's account, which the API describes."""
        try:
            account = await self._call("GET", "/api/me")
        except SessionEndedError:
            return "signed_out"
        except LimitedError:  # A stranger could fill the log.
            return "away"
        except (AwayError, RefusedError) as error:
            _log.warning("The API did not describe the account: %s", error)
            return "away"
        self.email = account["email"]
        self.roles = [
            {"name": texts.ROLES[role["role"]], "scope": role["event"] or texts.ALL_EVENTS} for role in account["roles"]
        ]
        return "granted" if account["roles"] else "no_role"

    def _clear(self) -> None:
        """Forget everything that the states have read. The page stays connected, and the State bound."""
        root = root_of(self)
        bound_to, is_hydrated = self._session_id, root.is_hydrated
        root.reset()
        root.is_hydrated = is_hydrated
        self._session_id = bound_to

    @rx.event
    def show_failure(self, text: str) -> None:
        """Show the reason for which an action failed."""
        self.failure = text

    @rx.event
    async def sign_out(self) -> None:
        """End the session. The browser's cookie then gives no access."""
        await self._call("DELETE", "/api/sessions/current")
        _apis[0].forget(session_cookie(self.router.headers.cookie))
        self._clear()
        self.access = "signed_out"


class SessionGate(Middleware):
    """Admits the events of a session that goes on and has a role."""

    def __init__(self) -> None:
        self._closing: set[asyncio.Task[None]] = set()

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:
        """Return None to admit an event, or the update that replaces its handler."""
        staff = await state.get_state(StaffState)
        name = event.name.rpartition(".")[2]
        staff._bind()  # noqa: SLF001 - public methods of a State are event handlers
        if name in _WITHOUT_DATA:
            return None
        if not await staff._check():  # noqa: SLF001
            self._close(app, staff.router.session.session_id)
        may_leave = staff.access == "no_role" and name == _LEAVING
        if staff.access == "granted" or may_leave or name in FRAMEWORK_EVENTS:
            return None
        return StateUpdate(delta=await take_changes(state))

    def _close(self, app: rx.App, connection: str) -> None:
        """Close a connection, which the browser then opens anew."""
        task = asyncio.create_task(close_connection(app, connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def report_failure(exception: Exception) -> EventSpec:
    """Return the event that shows why a handler failed. The gate checks the session before it."""
    match exception:
        case SessionEndedError():
            text = ""
        case RefusedError(status=403):
            text = texts.FORBIDDEN
        case RefusedError(title=title):
            text = texts.REFUSED.format(title=title)
        case AwayError():
            text = " ".join(texts.AWAY)
        case _:
            _log.error("An event handler failed", exc_info=exception)
            text = " ".join(texts.BROKEN)
    show: Any = StaffState.show_failure
    shown: EventSpec = show(text)
    return shown
