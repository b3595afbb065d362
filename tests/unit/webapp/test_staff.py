"""Every event handler of the staff pages is behind the gate, and every state is cleared without access."""

import importlib
from typing import Any

import pytest
import reflex as rx
from reflex.event import Event
from reflex.state import State
from reflex_base.registry import RegistrationContext

from webapp.settings import StaffLimits
from webapp.staff.api import Api, AwayError, RefusedError, SessionEndedError, session_cookie, session_id
from webapp.staff.pages.people import PeopleState
from webapp.staff.server import EVENTS_PATH, StaffServer, bound_query
from webapp.staff.session import FRAMEWORK_EVENTS, SessionGate, StaffState, report_failure, use_api

GRANT = {"id": "1", "email": "ann@example.org", "role": "Admin", "scope": "all events"}
ORIGIN = "http://localhost:3000"
app: rx.App = importlib.import_module("webapp.staff.app").app
HANDLERS = [
    name for name, found in RegistrationContext.get().event_handlers.items() if issubclass(found.states[0], State)
]
OWN = [name for name in HANDLERS if ".webapp___staff___" in name]


class FakeApi(Api):
    """An API without access, or one whose account has roles."""

    def __init__(self, outcome: Exception | list[dict[str, Any]]) -> None:
        self.outcome = outcome

    async def request(self, *_: object) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return {"email": "ann@example.org", "roles": self.outcome}


async def gated(name: str, outcome: Exception | list[dict[str, Any]]) -> tuple[Any, PeopleState]:
    """Return the gate's update for an event, and a state that had data before."""
    use_api(FakeApi(outcome))
    root: Any = State(_reflex_internal_init=True)  # type: ignore[call-arg]
    people: PeopleState = await root.get_state(PeopleState)
    people.grants = [GRANT]
    return await SessionGate().preprocess(app, root, Event(name=name)), people


def test_the_gate_is_in_front_of_the_handlers_of_every_page() -> None:
    assert [type(each) for each in app._middlewares] == [SessionGate]
    assert {name.rpartition(".")[2] for name in OWN} >= {"load", "grant", "revoke", "sign_out", "show_failure"}


def test_every_state_has_the_base_that_is_cleared() -> None:
    own = {name.rpartition(".")[0] for name in OWN}
    assert own == {StaffState.get_full_name(), *(state.get_full_name() for state in StaffState.__subclasses__())}


def test_no_handler_runs_in_the_background() -> None:
    """A background handler would send data after the gate's check."""
    found = RegistrationContext.get().event_handlers
    assert [name for name in OWN if found[name].handler.is_background] == []


@pytest.mark.parametrize("outcome", [SessionEndedError(), AwayError(), RefusedError(403, "Forbidden"), []])
@pytest.mark.parametrize("name", HANDLERS)
async def test_no_handler_runs_without_access(name: str, outcome: Exception | list[dict[str, Any]]) -> None:
    update, people = await gated(name, outcome)
    is_own_of_framework = name.rpartition(".")[2] in FRAMEWORK_EVENTS and ".webapp___staff___" not in name
    leaves_without_role = outcome == [] and name == f"{StaffState.get_full_name()}.sign_out"
    assert (update is None) == (is_own_of_framework or leaves_without_role)
    if not name.endswith(("on_load_internal", "set_is_hydrated")):
        assert (people.grants, people.email) == ([], "")
        assert people.access != "granted"


@pytest.mark.parametrize("name", OWN)
async def test_every_handler_runs_with_access(name: str) -> None:
    update, people = await gated(name, [{"role": "admin", "event": None}])
    assert update is None
    assert (people.access, people.grants) == ("granted", [GRANT])


@pytest.mark.parametrize("error", [SessionEndedError(), AwayError(), RefusedError(409, "Taken"), ValueError()])
def test_each_failure_of_a_handler_is_shown(error: Exception) -> None:
    assert report_failure(error).handler.fn is StaffState.event_handlers["show_failure"].fn


def test_the_safer_one_of_two_cookies_counts() -> None:
    header = "a=b; session=one.x; __Host-session=two.y"
    assert session_cookie(header) == "__Host-session=two.y"
    assert session_id("session=one.x") == "one"
    assert [session_cookie(text) for text in ("", "session=", "mysession=x")] == ["", "", ""]


def scope(cookie: str = "session=a.b", tab: str = "one", origin: str | None = ORIGIN) -> dict[str, Any]:
    headers = [(b"cookie", cookie.encode())]
    headers += [] if origin is None else [(b"origin", origin.encode())]
    query = f"token={tab}&EIO=4".encode()
    return {"type": "websocket", "path": f"{EVENTS_PATH}/", "headers": headers, "query_string": query}


def test_the_key_of_a_state_depends_on_the_token_and_on_the_cookie() -> None:
    keys = [bound_query(each) for each in (scope(), scope(tab="other"), scope("session=a.c"), scope(""))]
    assert len({*keys}) == 4
    assert bound_query(scope("x=y; session=a.b")) == keys[0]
    assert all(key.endswith(b"&EIO=4") for key in keys)
    assert b"token=one" not in b"".join(keys)


@pytest.mark.parametrize("origin", [None, "null", "https://localhost:3000", f"{ORIGIN}.evil.example"])
async def test_only_our_own_pages_connect(origin: str | None) -> None:
    admitted: list[str] = []
    sent: list[Any] = []

    async def application(*_: object) -> None:
        admitted.append("connected")

    async def note(message: Any) -> None:
        sent.append(message["type"])

    async def receive() -> dict[str, Any]:
        return {}

    server = StaffServer(application, (ORIGIN,), (), StaffLimits())
    await server(scope(origin=origin), receive, note)
    assert (admitted, sent) == ([], ["websocket.close"])
    await server(scope() | {"path": "/_event"}, receive, note)
    assert admitted == []
    await server(scope(), receive, note)
    assert admitted == ["connected"]


async def test_a_socket_without_the_token_of_one_tab_is_refused() -> None:
    sent: list[Any] = []

    async def note(message: Any) -> None:
        sent.append(message["type"])

    async def unreachable(*_: object) -> Any:
        raise AssertionError

    for query in (b"EIO=4", b"token=&EIO=4", b"token=one&token=two", b"token=" + b"x" * 65):
        await StaffServer(unreachable, (ORIGIN,), (), StaffLimits())(
            scope() | {"query_string": query}, unreachable, note
        )
    assert sent == ["websocket.close"] * 4
