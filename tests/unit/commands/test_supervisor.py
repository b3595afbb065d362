"""The supervisor restarts a part that fails, and gives up on a part that fails too often."""

import pytest

from api.commands.supervisor import RESTARTS_MAX, RESTARTS_WINDOW_S, PartFailedError, Supervisor
from api.errors import SetupError
from tests.clock import Clock


class FailingPart:
    """A part that has always failed."""

    name = "part"

    def __init__(self) -> None:
        self.restarts = 0
        self.error: SetupError | None = None

    def failure(self) -> str | None:
        return "The part ended."

    def restart(self) -> None:
        if self.error:
            raise self.error
        self.restarts += 1


def test_a_part_that_fails_too_often_ends_the_supervision() -> None:
    part, reports = FailingPart(), list[str]()
    supervisor = Supervisor([part], reports.append, Clock())
    for _ in range(RESTARTS_MAX):
        supervisor.check()
    with pytest.raises(PartFailedError, match="The supervisor restarted the part 5 times within 60 s"):
        supervisor.check()
    assert part.restarts == RESTARTS_MAX == len(reports)


def test_old_restarts_do_not_count() -> None:
    part, clock = FailingPart(), Clock()
    supervisor = Supervisor([part], lambda _: None, clock)
    for _ in range(RESTARTS_MAX + 1):
        supervisor.check()
        clock.now += RESTARTS_WINDOW_S / RESTARTS_MAX
    assert part.restarts == RESTARTS_MAX + 1


def test_each_part_has_a_limit_of_its_own() -> None:
    parts = [FailingPart(), FailingPart()]
    supervisor = Supervisor(parts, lambda _: None, Clock())
    for _ in range(RESTARTS_MAX):
        supervisor.check()
    assert [part.restarts for part in parts] == [RESTARTS_MAX, RESTARTS_MAX]


def test_a_part_that_cannot_start_ends_the_supervision() -> None:
    part = FailingPart()
    part.error = SetupError("no space")
    with pytest.raises(PartFailedError, match="no space"):
        Supervisor([part], lambda _: None, Clock()).check()


def test_a_stop_request_during_a_check_ends_the_checks() -> None:
    parts, reports = [FailingPart(), FailingPart()], list[str]()
    Supervisor(parts, reports.append, Clock(), lambda: bool(reports)).check()
    assert [part.restarts for part in parts] == [1, 0]
