"""The supervisor counts each failed restart of the database."""

import psycopg
import pytest

from api.commands import run
from api.commands.signals import StopSignals
from api.commands.supervisor import RESTARTS_MAX, PartFailedError, Supervisor
from api.errors import SetupError

NOT_PRIVATE = "The directory /tmp/x is not private to this user: remove it."


class FakeServer:
    """A server whose start and check end as the test chooses."""

    def __init__(self) -> None:
        self.starts = 0
        self.start_error: Exception | None = None
        self.check_error: Exception | None = None
        self.runs = False

    def start(self) -> None:
        self.starts += 1
        if self.start_error:
            raise self.start_error
        self.runs = True

    def keep_reachable(self) -> bool:
        if self.check_error:
            raise self.check_error
        return self.runs


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    monkeypatch.setattr(run, "_DATABASE_CHECK_S", 0.0)
    return FakeServer()


@pytest.fixture
def part(server: FakeServer) -> run._Database:
    return run._Database(server, StopSignals())  # type: ignore[arg-type]


def test_a_database_that_never_responds_stops_the_system(server: FakeServer, part: run._Database) -> None:
    server.start_error = psycopg.OperationalError("server closed the connection\n")
    reports: list[str] = []
    supervisor = Supervisor([part], reports.append)
    for _ in range(RESTARTS_MAX):
        supervisor.check()
    refusal = "The database does not respond: server closed the connection. The supervisor restarted the database 5 "
    with pytest.raises(PartFailedError, match=refusal):
        supervisor.check()
    assert server.starts == RESTARTS_MAX


def test_a_failed_restart_counts_even_if_the_server_runs(server: FakeServer, part: run._Database) -> None:
    server.start_error = psycopg.OperationalError("no connection")
    part.restart()
    server.runs = True
    assert part.failure() == "The database does not respond: no connection."
    server.start_error = None
    part.restart()
    assert part.failure() is None


def test_a_socket_without_a_private_path_is_a_failure(server: FakeServer, part: run._Database) -> None:
    server.check_error = SetupError(NOT_PRIVATE)
    assert part.failure() == NOT_PRIVATE
    server.start_error = server.check_error
    with pytest.raises(PartFailedError, match=NOT_PRIVATE):
        Supervisor([part], lambda _: None).check()


def test_a_deleted_data_directory_is_no_failure(server: FakeServer, part: run._Database) -> None:
    server.check_error = FileNotFoundError()
    assert part.failure() is None
