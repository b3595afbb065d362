"""The supervisor reads the heartbeats on the port that serves them."""

import http.server
import threading
from collections.abc import Iterator

import msgspec
import pytest

from api.commands.worker_watch import read_ages
from api.config import Settings
from api.health_schemas import MailHealth, SystemHealth, WorkerHealth
from tests.stack import free_port

HEALTH = SystemHealth(
    status="ok",
    problems=[],
    worker_age_seconds=0.5,
    workers=[WorkerHealth(id="host:1", age_seconds=0.5)],
    overdue_holds=0,
    failed_refunds=0,
    undecided_disputes=0,
    lost_disputes=0,
    mail=MailHealth(feed_lag_seconds=0, queue_lag_seconds=0, failed=0),
    jobs=[],
    cancellations=[],
    standbys=[],
    missing_migrations=[],
)


class SystemHandler(http.server.BaseHTTPRequestHandler):
    """Serves `/health/system`, and nothing else."""

    def do_GET(self) -> None:
        body = msgspec.json.encode(HEALTH)
        self.send_response(200 if self.path == "/health/system" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server that reports one worker."""
    with http.server.HTTPServer(("127.0.0.1", 0), SystemHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_ages_come_from_the_port_of_operations(port: int) -> None:
    assert read_ages(Settings(api_port=free_port(), operations_port=port)) == {"host:1": 0.5}


def test_without_a_port_of_operations_the_ages_come_from_the_port_of_the_api(port: int) -> None:
    assert read_ages(Settings(api_port=port)) == {"host:1": 0.5}


def test_without_a_response_the_ages_are_unknown() -> None:
    assert read_ages(Settings(api_port=free_port())) is None
