"""A storm: under load every fault once, and of all answers none is a lie; `make soak` does so for longer."""

import sys
from collections.abc import Callable
from typing import get_args

import pytest

from tests.faults import faults
from tests.faults.checker import describe
from tests.faults.faults import Fault
from tests.faults.history import Kind
from tests.faults.soak import LIMIT, faults_of, storm
from tests.faults.target import running_target

INLINE: tuple[Fault, ...] = (
    faults.database_answers_lost,
    faults.api_processes_killed,
    faults.database_network_slow,
    faults.backend_frozen,
    faults.database_crashed,
)
ASYNC: tuple[Fault, ...] = (
    faults.api_process_killed,
    faults.database_network_silent,
    faults.worker_killed,
    faults.webhooks_cut,
    faults.provider_frozen,
    faults.database_connections_cut,
    faults.api_process_frozen,
    faults.webhooks_silent,
    faults.backend_killed,
)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Write past pytest, for times to recover are worth seeing of a passed test too."""

    def write(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(text)
            sys.stdout.flush()

    return write


@pytest.mark.parametrize(("mode", "doings"), [("inline", INLINE), ("async", ASYNC)])
async def test_in_a_storm_of_faults_no_promise_is_broken(
    mode: str, doings: tuple[Fault, ...], say: Callable[[str], None]
) -> None:
    say(f"\n{mode}:\n")
    async with running_target(mode, {"BOOKINGS_PER_MINUTE": str(LIMIT)}) as target:
        history, violations = await storm(target, iter(doings), mode, say)
        assert not violations, f"{describe(violations)}\n{target.stack.logs()}"
    done = {entry.kind for entry in history.entries if entry.status in {200, 201, 202}}
    assert done == set(get_args(Kind)), "something that buyers do was never done"


def test_together_the_storms_do_every_fault() -> None:
    assert {*INLINE, *ASYNC} == {*faults_of("inline"), *faults_of("async")}
