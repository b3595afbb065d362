"""The supervisor detects a server that no longer responds, and no other."""

import pytest

from api.commands.processes import READY_TIMEOUT_S
from api.commands.server_watch import CHECK_INTERVAL_S, ServerWatch
from api.commands.supervisor import RESTARTS_MAX
from api.errors import SetupError

SILENCE_MAX_S = 30.0


class FakeProcess:
    """A process that runs, or has ended."""

    name = "API"
    ended: str | None = None
    restarts = 0

    def failure(self) -> str | None:
        return self.ended

    def restart(self) -> None:
        self.restarts += 1


class Watched:
    """A watch whose clock and observations the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.responds = True
        self.process = FakeProcess()
        self.watch = ServerWatch(self.process, lambda: self.responds, SILENCE_MAX_S, lambda: self.now)  # type: ignore[arg-type]

    def failure_after(self, seconds: float) -> str | None:
        """Check at each interval; return the failure of the last check."""
        failure = None
        for _ in range(int(seconds / CHECK_INTERVAL_S)):
            self.now += CHECK_INTERVAL_S
            failure = self.watch.failure()
        return failure


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_server_that_responds_works(watched: Watched) -> None:
    assert watched.failure_after(10 * SILENCE_MAX_S) is None


def test_a_server_without_responses_has_failed(watched: Watched) -> None:
    watched.responds = False
    assert watched.failure_after(SILENCE_MAX_S) is None
    assert watched.failure_after(CHECK_INTERVAL_S) == "The API has not responded for 30 s."


def test_one_response_ends_the_silence(watched: Watched) -> None:
    watched.responds = False
    assert watched.failure_after(SILENCE_MAX_S) is None
    watched.responds = True
    assert watched.failure_after(CHECK_INTERVAL_S) is None
    watched.responds = False
    assert watched.failure_after(SILENCE_MAX_S) is None


def test_a_restarted_server_has_time_to_start(watched: Watched) -> None:
    watched.responds = False
    assert watched.failure_after(SILENCE_MAX_S + CHECK_INTERVAL_S) is not None
    watched.watch.restart()
    assert watched.process.restarts == 1
    assert watched.failure_after(READY_TIMEOUT_S) is None
    assert watched.failure_after(CHECK_INTERVAL_S) is not None


def test_a_restarted_server_is_watched_closely_once_it_responds(watched: Watched) -> None:
    watched.watch.restart()
    assert watched.failure_after(CHECK_INTERVAL_S) is None
    watched.responds = False
    assert watched.failure_after(SILENCE_MAX_S) is None
    assert watched.failure_after(CHECK_INTERVAL_S) is not None


def test_a_process_that_has_ended_is_reported_as_before(watched: Watched) -> None:
    watched.process.ended = "The API ended unexpectedly with exit code 1."
    assert watched.watch.failure() == watched.process.ended


def test_a_server_that_never_responds_is_not_restarted_for_ever(watched: Watched) -> None:
    for _ in range(RESTARTS_MAX):
        watched.watch.restart()
    with pytest.raises(SetupError, match="The API did not respond after 5 restarts"):
        watched.watch.restart()
    assert watched.process.restarts == RESTARTS_MAX


def test_one_response_allows_further_restarts(watched: Watched) -> None:
    for _ in range(RESTARTS_MAX + 1):
        watched.watch.restart()
        assert watched.failure_after(CHECK_INTERVAL_S) is None
    assert watched.process.restarts == RESTARTS_MAX + 1
