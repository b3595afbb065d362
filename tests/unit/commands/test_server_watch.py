"""The supervisor detects a server that no longer responds, and no other."""

import pytest

from api.commands.processes import READY_TIMEOUT_S
from api.commands.server_watch import CHECK_INTERVAL_S, ServerWatch
from api.commands.supervisor import RESTARTS_MAX, RESTARTS_WINDOW_S
from tests.unit.commands.watched import FakeProcess, Watched

SILENCE_MAX_S = 30.0


class WatchedServer(Watched):
    """A server whose responses the test sets."""

    def __init__(self) -> None:
        self.responds = True
        super().__init__(
            FakeProcess("API"),
            CHECK_INTERVAL_S,
            lambda process, clock: ServerWatch(process, lambda: self.responds, SILENCE_MAX_S, clock),  # type: ignore[arg-type]
        )


@pytest.fixture
def watched() -> WatchedServer:
    return WatchedServer()


def test_a_server_that_responds_works(watched: WatchedServer) -> None:
    assert watched.failure_after(10 * SILENCE_MAX_S) is None


def test_a_server_without_responses_has_failed(watched: WatchedServer) -> None:
    watched.responds = False
    assert watched.failure_after(SILENCE_MAX_S) is None
    assert watched.failure_after(CHECK_INTERVAL_S) == "The API has not responded for 30 s."


def test_one_response_ends_the_silence(watched: WatchedServer) -> None:
    watched.responds = False
    assert watched.failure_after(SILENCE_MAX_S) is None
    watched.responds = True
    assert watched.failure_after(CHECK_INTERVAL_S) is None
    watched.responds = False
    assert watched.failure_after(SILENCE_MAX_S) is None


def test_a_restarted_server_has_time_to_start(watched: WatchedServer) -> None:
    watched.responds = False
    assert watched.failure_after(SILENCE_MAX_S + CHECK_INTERVAL_S) is not None
    watched.watch.restart()
    assert watched.process.restarts == 1
    assert watched.failure_after(READY_TIMEOUT_S) is None
    assert watched.failure_after(CHECK_INTERVAL_S) is not None


def test_a_restarted_server_is_watched_closely_once_it_responds(watched: WatchedServer) -> None:
    watched.watch.restart()
    assert watched.failure_after(CHECK_INTERVAL_S) is None
    watched.responds = False
    assert watched.failure_after(SILENCE_MAX_S) is None
    assert watched.failure_after(CHECK_INTERVAL_S) is not None


def test_a_process_that_has_ended_is_reported_as_before(watched: WatchedServer) -> None:
    watched.process.ended = "The API ended unexpectedly with exit code 1."
    assert watched.watch.failure() == watched.process.ended


def test_a_server_that_never_responds_is_restarted_slowly_and_stops_nothing(watched: WatchedServer) -> None:
    watched.responds = False
    for restarts in range(2 * RESTARTS_MAX):
        assert watched.failure_after(READY_TIMEOUT_S if restarts else SILENCE_MAX_S) is None
        assert watched.failure_after(CHECK_INTERVAL_S) is not None
        watched.watch.restart()
    assert READY_TIMEOUT_S > RESTARTS_WINDOW_S, "the supervisor stops the system after quicker restarts"
