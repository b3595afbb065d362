"""The watchdog starts a server again unless it fails before it is ready."""

import fcntl
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from api.database import watchdog
from tests.stack import STOP_TIMEOUT_S, eventually


def run(directory: Path, server: str, executor: ThreadPoolExecutor, users_lock: Path) -> Future[int]:
    """Start a watchdog with a shell command as its server."""
    with (directory / "server.lock").open("w") as lock:
        watched = watchdog.Watchdog(["/bin/sh", "-c", server], str(directory), "", lock.fileno())
        future = executor.submit(watched.run, str(users_lock))
        assert eventually(lambda: future.done() or starts(directory) > 2)
    return future


def starts(directory: Path) -> int:
    path = directory / "starts"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.parametrize("code", [0, 3])
def test_only_a_server_that_fails_before_it_is_ready_stays_ended(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "RESTART_PAUSE_S", 0.01)
    monkeypatch.setattr(watchdog, "RESTART_PAUSE_MAX_S", 0.01)
    users_lock = tmp_path / "users.lock"
    with ThreadPoolExecutor() as executor:
        with users_lock.open("w") as user:
            fcntl.flock(user, fcntl.LOCK_SH)
            future = run(tmp_path, f"echo >> starts; exit {code}", executor, users_lock)
            assert future.done() == (code != 0)
        assert future.result(STOP_TIMEOUT_S) == code
    assert starts(tmp_path) == 1 if code else starts(tmp_path) > 2
