"""Passwords: one thread hashes them, a bounded number waits, and an unknown account costs the same hash."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher, extract_parameters

from api.errors import Busy
from api.services.accounts.passwords import UNKNOWN, WAITING_MAX, Passwords

LONG_S = 60.0


@pytest.fixture
def blocked() -> Iterator[Passwords]:
    """Passwords whose thread is busy until the test ends."""
    release = threading.Event()
    passwords = Passwords(LONG_S)
    passwords._thread.submit(release.wait)
    yield passwords
    release.set()


async def test_only_the_password_of_a_hash_verifies() -> None:
    passwords = Passwords(LONG_S)
    stored = await passwords.hash("correct horse")
    assert stored != await passwords.hash("correct horse")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horse ")
    assert not await passwords.verify("$argon2id$damaged", "correct horse")
    assert not await passwords.verify(None, "correct horse")
    assert not passwords.is_outdated(stored)
    assert passwords.is_outdated(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x"))


async def test_the_hash_of_an_unknown_account_has_the_present_parameters() -> None:
    assert extract_parameters(UNKNOWN) == extract_parameters(await Passwords(LONG_S).hash("x"))


async def test_one_request_more_than_the_queue_is_refused_at_once(blocked: Passwords) -> None:
    waiting = [asyncio.create_task(blocked.verify(None, "x")) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="signing in"):
        await blocked.verify(None, "x")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert blocked._waiting == 0


async def test_a_request_that_waits_too_long_is_refused_and_its_hash_is_not_made(blocked: Passwords) -> None:
    blocked._wait_s = 0.001
    with pytest.raises(Busy, match="signing in"):
        await blocked.hash("x")
    assert blocked._waiting == 0
    assert blocked._thread._work_queue.get_nowait().future.cancelled()


async def test_a_closed_thread_makes_no_hash_that_waits(blocked: Passwords) -> None:
    waiting = asyncio.create_task(blocked.hash("x"))
    await asyncio.sleep(0)
    blocked.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
