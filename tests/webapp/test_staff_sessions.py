"""The State of the staff pages belongs to the session of its cookie. No other session and no ended one sees it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.stack import Process, Stack, free_port, responds
from tests.webapp.staff import SHOW, WAIT_S, Refused, grant_role, open_session, open_tab, refresh, revoke_role, sign_out
from webapp.staff import texts

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOAD_PEOPLE = "webapp___staff___session____staff_state.webapp___staff___pages___people____people_state.load"
ANN, BOB, EVE = "ann@staff.example", "bob@staff.example", "eve@buyers.example"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(staff_stack: Stack) -> Stack:
    """A system with an admin Ann, and Bob at the door."""
    await grant_role(staff_stack, ANN, "admin")
    await grant_role(staff_stack, BOB, "door")
    return staff_stack


@contextlib.asynccontextmanager
async def running(stack: Stack, command: list[str], port: int, directory: Path, **settings: str) -> AsyncIterator[None]:
    """Run another server of the staff pages on a port, with settings of its own."""
    environment = {**stack.environment, "STAFF_PORT": str(port), **settings}
    process = Process(command, environment, directory / "staff.log")
    try:
        await process.wait_until(lambda: responds(f"http://127.0.0.1:{port}/health/live"), "staff pages")
        yield
    finally:
        await process.stop()


async def test_a_second_session_with_the_token_of_a_tab_never_sees_its_data(stack: Stack) -> None:
    token = str(uuid4())
    ann, bob = await open_session(stack, ANN), await open_session(stack, BOB)
    async with open_tab(stack, ann, token=token, path="/people") as first:
        await first.until(access="granted", email=ANN, is_hydrated=True)
        assert {ANN, BOB} <= {grant["email"] for grant in first.state["grants"]}
    for load in (True, False):
        async with open_tab(stack, bob, token=token, path="/people", load=load) as second:
            if not load:
                await second.send(LOAD_PEOPLE)
            await second.until(access="granted", email=BOB, failure=texts.FORBIDDEN)
        assert ANN not in str(second.received)
    async with open_tab(stack, ann, token=token, path="/people", load=False) as again:
        await again.send(SHOW, text="again")
        await again.until(email=ANN, failure="again")


@pytest.mark.parametrize(("kept", "leaks"), [([], True), (["key"], False), (["session"], False)])
async def test_each_binding_alone_keeps_the_data_and_without_both_it_leaks(
    stack: Stack, tmp_path: Path, kept: list[str], *, leaks: bool
) -> None:
    """The negative control of the bindings."""
    port, token = free_port(), str(uuid4())
    ann, bob = await open_session(stack, ANN), await open_session(stack, BOB)
    async with running(stack, ["tests.webapp.unbound_staff", *kept], port, tmp_path):
        async with open_tab(stack, ann, token=token, path="/people", port=port) as first:
            await first.until(access="granted", email=ANN, is_hydrated=True)
        async with open_tab(stack, bob, token=token, path="/people", port=port) as second:
            await second.until(access="granted", email=BOB, failure=texts.FORBIDDEN)
        assert (ANN in str(second.received)) is leaks


@pytest.mark.parametrize("cookie", ["", "session=guessed"])
async def test_without_a_session_a_tab_gets_no_data(stack: Stack, cookie: str) -> None:
    async with open_tab(stack, cookie, path="/people") as tab:
        await tab.until(access="signed_out", is_hydrated=True)
        await tab.send_refused(LOAD_PEOPLE)
        await tab.send_refused(SHOW, text="never")
        assert tab.state["access"] == "signed_out"
    assert ANN not in str(tab.received)
    assert "never" not in str(tab.received)


async def test_a_buyer_has_no_access(stack: Stack) -> None:
    async with open_tab(stack, await open_session(stack, EVE), path="/people") as tab:
        await tab.until(access="no_role", is_hydrated=True)
    assert ANN not in str(tab.received)


async def test_an_ended_session_loses_access_at_its_next_event(stack: Stack) -> None:
    cookie = await open_session(stack, ANN)
    async with open_tab(stack, cookie, path="/people") as tab:
        await tab.until(access="granted", is_hydrated=True)
        await sign_out(stack, cookie)
        await tab.lose_access()  # The API refuses the access token within a second.
    async with open_tab(stack, cookie, path="/people") as tab:
        await tab.until(access="signed_out", is_hydrated=True)
    assert ANN not in str(tab.received)


async def test_a_revoked_role_loses_access_at_its_next_event(stack: Stack) -> None:
    email = "carl@staff.example"
    await grant_role(stack, email, "admin")
    async with open_tab(stack, await open_session(stack, email), path="/people") as tab:
        await tab.until(access="granted", is_hydrated=True)
        await revoke_role(stack, email, "admin")
        await tab.send(LOAD_PEOPLE)
        await tab.until(access="no_role", grants=[])


async def test_an_exchange_of_the_cookie_in_another_tab_ends_no_session(stack: Stack) -> None:
    cookie = await open_session(stack, ANN)
    async with open_tab(stack, cookie, path="/people") as tab:
        await tab.until(access="granted", is_hydrated=True)
        present = await refresh(stack, cookie)
        await tab.send(SHOW, text="still here")
        await tab.until(failure="still here", access="granted")
    async with open_tab(stack, present, path="/people") as tab:
        await tab.until(access="granted", is_hydrated=True)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
async def test_a_foreign_page_cannot_connect(stack: Stack, origin: str) -> None:
    with pytest.raises(Refused):
        async with open_tab(stack, await open_session(stack, f"{uuid4()}@staff.example"), headers={"Origin": origin}):
            pass


async def test_too_many_messages_end_a_connection_and_unknown_ones_are_not_logged(stack: Stack) -> None:
    async with open_tab(stack, path="/people") as tab:
        await tab.until(access="signed_out", is_hydrated=True)
        for _ in range(20):
            await tab.send("unknown_event_of_a_stranger")
        await tab.send(SHOW, text="never")
        async with asyncio.timeout(WAIT_S):
            while tab.client.connected:
                await tab.send(SHOW, text="never")
                await asyncio.sleep(0)
    async with open_tab(stack, await open_session(stack, ANN), path="/people") as tab:
        await tab.until(access="granted", is_hydrated=True)
    assert "unknown_event_of_a_stranger" not in stack.logs()


async def test_made_up_cookies_of_strangers_lock_nobody_out(stack: Stack, tmp_path: Path) -> None:
    port = free_port()
    strangers, own = {"X-Forwarded-For": "203.0.113.9"}, {"X-Forwarded-For": "198.51.100.7"}
    limits = {"TRUSTED_PROXIES": "127.0.0.1", "STAFF_REFUSALS_PER_MINUTE": "1"}
    async with running(stack, ["webapp", "staff"], port, tmp_path, **limits):
        outcomes = []
        for _ in range(4):
            cookie = f"session={uuid4()}.{'x' * 43}"
            async with open_tab(stack, cookie, path="/people", port=port, headers=strangers) as tab:
                await tab.until(is_hydrated=True)
                outcomes.append(tab.state["access"])
        assert (outcomes[0], {*outcomes[1:]} & {"away"}) == ("signed_out", {"away"})
        async with open_tab(stack, await open_session(stack, ANN), path="/people", port=port, headers=own) as tab:
            await tab.until(access="granted", email=ANN)
