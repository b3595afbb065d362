"""The supervisor detects a worker whose heartbeat has stopped, and no other."""

import pytest

from api.commands.worker_watch import CHECK_INTERVAL_S, WorkerWatch
from api.services.workers import worker_id
from tests.unit.commands.watched import FakeProcess, Watched

SILENCE_MAX_S = 15.0
PID = 4711


class WatchedWorker(Watched):
    """A worker whose heartbeats the test sets."""

    def __init__(self) -> None:
        self.ages: dict[str, float] | None = {worker_id(PID): 0.5}
        super().__init__(
            FakeProcess("worker", PID),
            CHECK_INTERVAL_S,
            lambda process, clock: WorkerWatch(process, lambda: self.ages, SILENCE_MAX_S, clock),  # type: ignore[arg-type]
        )


@pytest.fixture
def watched() -> WatchedWorker:
    return WatchedWorker()


def test_a_worker_with_a_heartbeat_works(watched: WatchedWorker) -> None:
    assert watched.failure_after(10 * SILENCE_MAX_S) is None


def test_a_stopped_heartbeat_is_a_failure(watched: WatchedWorker) -> None:
    assert watched.failure_after(SILENCE_MAX_S + CHECK_INTERVAL_S) is None
    watched.ages = {worker_id(PID): SILENCE_MAX_S + 0.1}
    assert watched.failure_after(CHECK_INTERVAL_S) == "The worker has sent no heartbeat for 15 s."


def test_another_workers_heartbeat_does_not_count(watched: WatchedWorker) -> None:
    watched.ages = {worker_id(PID + 1): 0.5}
    assert watched.failure_after(SILENCE_MAX_S) is None
    assert watched.failure_after(CHECK_INTERVAL_S) is not None


def test_an_outage_of_the_database_is_not_the_workers_failure(watched: WatchedWorker) -> None:
    watched.ages = None
    assert watched.failure_after(10 * SILENCE_MAX_S) is None
    watched.ages = {worker_id(PID): 10 * SILENCE_MAX_S}  # The worker has not sent a heartbeat since the outage.
    assert watched.failure_after(SILENCE_MAX_S) is None
    assert watched.failure_after(CHECK_INTERVAL_S) is not None


def test_a_restarted_worker_has_time_to_start(watched: WatchedWorker) -> None:
    watched.ages = {}
    assert watched.failure_after(SILENCE_MAX_S + CHECK_INTERVAL_S) is not None
    watched.watch.restart()
    assert watched.process.restarts == 1
    assert watched.failure_after(SILENCE_MAX_S) is None


def test_an_ended_worker_is_a_failure(watched: WatchedWorker) -> None:
    watched.process.ended = "The worker ended."
    assert watched.watch.failure() == "The worker ended."
