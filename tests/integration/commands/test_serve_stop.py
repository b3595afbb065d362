"""The API's processes start with a log line, and end in time despite slow clients or a killed supervisor."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.commands import forked_processes, serve
from tests.integration.commands.forked import is_alive, pids
from tests.stack import ROOT, STOP_TIMEOUT_S, eventually

SCRIPT = """
import asyncio, logging, os, sys
from pathlib import Path
from types import SimpleNamespace
from api.commands import forked_processes, serve
from api.config import Settings
from api.server.refusals import BARE_REFUSALS
from api.server.sockets import open_listener
from api.server.uvicorn_patch import LimitedProtocol

logging.basicConfig(level=logging.INFO)
forked_processes.KILL_AFTER_S = 3
forked_processes.ORPHAN_END_S = 1
serve._FINISH_WITHIN_S = 0.1
directory, hangs = Path(sys.argv[1]), sys.argv[2] == "hangs"

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        (directory / f"started-{os.getpid()}").touch()
        await receive()
        if hangs:
            await asyncio.sleep(60)
        (directory / f"ended-{os.getpid()}").touch()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(20_000_000)})

app.app = SimpleNamespace(state=None)
module = SimpleNamespace(
    create_app=lambda _: app, create_operations_app=lambda _: app, protocol_of=lambda _: LimitedProtocol,
    connection_refusals=lambda: BARE_REFUSALS,
)
listener = open_listener("127.0.0.1", 0, write_timeout_ms=30_000)
(directory / "port").write_text(str(listener.getsockname()[1]))
(directory / "port").rename(directory / "listening")
sys.exit(forked_processes.ForkedProcesses(
    lambda: serve._run(module, Settings(), [listener]),
    1, on_stop=lambda: None, stop_delay_s=0, on_end=listener.close,
).supervise())
"""

START = """
import contextlib, logging, sys
from pathlib import Path
from types import SimpleNamespace
from api.commands import serve
from api.config import Settings

logging.basicConfig(level=logging.INFO, format="%(message)s")
serve.open_listener = lambda *_, **__: contextlib.nullcontext()
serve.ForkedProcesses = lambda *_, **options: SimpleNamespace(supervise=lambda: print(options["threads_max"]))
host, count, directory = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
settings = Settings(api_host=host, api_port=3001, api_workers=count, data_dir=directory, connections_max=100)
serve.serve(settings, "postgresql:///none")
"""


@pytest.fixture(params=["ends", "hangs"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A supervisor of one process, whose client reads only the beginning of its response."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), request.param]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True) as popen:
        try:
            assert eventually(lambda: len(pids(tmp_path, "started")) == 1)
            with socket.create_connection(("127.0.0.1", int((tmp_path / "listening").read_text()))) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.recv(12) == b"HTTP/1.1 200"
                yield popen
        finally:
            if any(map(is_alive, pids(tmp_path, "started"))):
                os.killpg(popen.pid, signal.SIGKILL)


@pytest.mark.parametrize("supervisor", ["ends"], indirect=True)
def test_the_lifespan_ends_before_the_kill_despite_an_unread_response(
    supervisor: subprocess.Popen[str], tmp_path: Path
) -> None:
    supervisor.terminate()
    _, log = supervisor.communicate(timeout=STOP_TIMEOUT_S)
    assert supervisor.returncode == 0
    assert pids(tmp_path, "ended") == pids(tmp_path, "started")
    assert "killing it" not in log


def test_an_orphan_ends_despite_an_unread_response(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    supervisor.kill()
    assert eventually(lambda: not any(map(is_alive, pids(tmp_path, "started"))))


def test_the_time_for_requests_leaves_time_for_the_lifespan() -> None:
    assert 0 < serve._FINISH_WITHIN_S < forked_processes.KILL_AFTER_S < forked_processes.ORPHAN_END_S


@pytest.mark.parametrize(
    ("host", "count", "line"),
    [
        ("127.0.0.1", 2, "Serving on 127.0.0.1:3001 with 2 processes\n"),
        ("::1", 1, "Serving on [::1]:3001 with 1 process\n"),
    ],
)
def test_a_start_logs_the_address_and_the_number_of_processes(tmp_path: Path, host: str, count: int, line: str) -> None:
    command = [sys.executable, "-c", START, host, str(count), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n", line)


def test_importing_the_api_starts_no_thread() -> None:
    script = "import api.app, os, threading; print(threading.active_count(), len(os.listdir('/proc/self/task')))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "1 1\n"
