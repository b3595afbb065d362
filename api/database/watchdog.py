"""Watchdog of the embedded PostgreSQL server: restarts it after any exit, stops it after its last user.

`api.database.embedded` runs this file as a script in its own session. The watchdog is a separate process because
users start, end and crash in any order. The process that started the server may end first. The last user may be killed.
The script imports only the standard library, so it starts in milliseconds without the virtual environment.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

RESTART_PAUSE_S = 1.0
"""First pause before a restart. Orphaned backends of a killed server detach from its shared memory in that time."""
RESTART_PAUSE_MAX_S = 8.0
"""Longest pause. The pause doubles with each start that fails, for instance while the disk is full."""
READY_POLL_S = 0.05


class Watchdog:
    """A PostgreSQL server that runs, with restarts, until it has no users.

    Args:
        command: the server's command line.
        data_dir: the server's data directory, in which it starts.
        owner: the server's system user as `uid:gid`; empty for the current user.
        server_lock_fd: descriptor of the lock that every server process inherits.
    """

    def __init__(self, command: list[str], data_dir: str, owner: str, server_lock_fd: int) -> None:
        self._command = command
        self._data_dir = data_dir
        self._server_lock_fd = server_lock_fd
        uid, _, gid = owner.partition(":")
        self._uid = int(uid) if uid else None
        self._gid = int(gid) if gid else None
        self._guard = threading.Lock()
        self._unused = threading.Event()
        self._server: subprocess.Popen[bytes] | None = None

    def run(self, users_lock: str) -> int:
        """Run the server until it has no users; return 0.

        A server that has accepted connections starts again after any exit, however often its restart fails. A server
        that fails before it first accepts connections cannot run here, so this method returns its exit code.
        """
        threading.Thread(target=self._stop_when_unused, args=(users_lock,), daemon=True).start()
        code, was_ready = self._run_once()
        if not was_ready and code != 0:  # A server without an error may have been ready between two polls.
            return code
        pause_s = RESTART_PAUSE_S
        while not self._unused.wait(pause_s):
            pause_s = min(2 * pause_s, RESTART_PAUSE_MAX_S)
            with contextlib.suppress(OSError):  # The machine cannot create a process at the moment.
                if self._run_once()[1]:
                    pause_s = RESTART_PAUSE_S
        return 0

    def _run_once(self) -> tuple[int, bool]:
        """Run the server until it ends; return its exit code, and True if it has accepted connections."""
        with self._guard:
            if self._unused.is_set():
                return 0, True
            self._server = server = self._start()
        was_ready = False
        while not was_ready:
            was_ready = self._is_ready(server.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return server.wait(READY_POLL_S), was_ready
        return server.wait(), True

    def _is_ready(self, pid: int) -> bool:
        """Return True if the server accepts connections. The last line of its pid file is then `ready`."""
        try:
            lines = Path(self._data_dir, "postmaster.pid").read_text().split()
        except OSError:
            return False
        return bool(lines) and lines[0] == str(pid) and lines[-1] == "ready"

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - the command is api.database.embedded's
            self._command,
            cwd=self._data_dir,
            user=self._uid,
            group=self._gid,
            extra_groups=None if self._uid is None else [],
            stdin=subprocess.DEVNULL,
            # The server and its backends inherit the lock, so it is free once the last of them has ended.
            pass_fds=[self._server_lock_fd],
        )

    def _stop_when_unused(self, users_lock: str) -> None:
        # Each user holds a shared lock, which the kernel releases when the user ends. The exclusive lock is never
        # released, so a new user waits for its shared lock until this process has ended.
        fcntl.flock(os.open(users_lock, os.O_RDWR), fcntl.LOCK_EX)
        with self._guard:
            self._unused.set()
            if self._server:
                self._server.send_signal(signal.SIGINT)  # PostgreSQL's "fast" shutdown


if __name__ == "__main__":
    users_lock_path, data_path, owner_ids, server_lock, *server_command = sys.argv[1:]
    sys.exit(Watchdog(server_command, data_path, owner_ids, int(server_lock)).run(users_lock_path))
