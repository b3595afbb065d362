"""Chaos: every fault once under load, and every response is true. `make soak` runs longer."""

import sys
from collections.abc import Callable
from typing import get_args

import pytest

from tests.faults import faults
from tests.faults.checker import describe
from tests.faults.faults import Fault, faults_of
from tests.faults.history import Kind
from tests.faults.soak import LIMIT, run_chaos
from tests.faults.target import EmbeddedTarget, running_target

INLINE: tuple[Fault[EmbeddedTarget], ...] = (
    faults.database_responses_lost,
    faults.api_processes_killed,
    faults.database_network_slow,
    faults.backend_frozen,
    faults.database_crashed,
    faults.api_stopped,
    faults.database_frozen,
)
ASYNC: tuple[Fault[EmbeddedTarget], ...] = (
    faults.api_process_killed,
    faults.database_network_silent,
    faults.worker_killed,
    faults.webhooks_cut,
    faults.provider_frozen,
    faults.database_connections_cut,
    faults.api_process_frozen,
    faults.webhooks_silent,
    faults.backend_killed,
    faults.worker_frozen,
    faults.database_stopped,
    faults.api_killed,
)


@pytest.fixture
def write_past_capture(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Write to the terminal, so that passed tests show the recovery times too."""

    def write(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(text)
            sys.stdout.flush()

    return write


@pytest.mark.parametrize(("mode", "schedule"), [("inline", INLINE), ("async", ASYNC)])
async def test_every_invariant_holds_under_faults(
    mode: str, schedule: tuple[Fault[EmbeddedTarget], ...], write_past_capture: Callable[[str], None]
) -> None:
    write_past_capture(f"\n{mode}:\n")
    async with running_target(mode, {"BOOKINGS_PER_MINUTE": str(LIMIT)}) as target:
        history, violations = await run_chaos(target, iter(schedule), mode, write_past_capture)
        assert not violations, f"{describe(violations)}\n{target.stack.logs()}"
    booked = [entry.request for entry in history.entries if entry.status in {201, 202} and entry.request]
    assert any(len(request.items) > 1 for request in booked), "no basket was booked"
    succeeded = {entry.kind for entry in history.entries if entry.status in {200, 201, 202}}
    assert succeeded == set(get_args(Kind)), "a kind of request never succeeded"


def test_the_two_schedules_contain_every_fault() -> None:
    assert {*INLINE, *ASYNC} == {*faults_of("inline"), *faults_of("async")}
