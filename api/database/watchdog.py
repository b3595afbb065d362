"""Watchdog of the embedded PostgreSQL server: restarts it after a crash, stops it after its last user.

`api.database.embedded` runs this file as a script in its own session. The watchdog is a separate process because
users start, end and crash in any order: the process that started the server may end first, and the last user may be
killed. The script imports only the standard library, so it starts in milliseconds without the virtual environment.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

RESTART_PAUSE_S = 1.0
"""Pause after the server was killed, in which its orphaned backends detach from the shared memory."""


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
        self._unused = False
        self._server: subprocess.Popen[bytes] | None = None

    def run(self, users_lock: str) -> int:
        """Run the server until it ends; return its exit code. A killed server starts again and recovers its data."""
        threading.Thread(target=self._stop_when_unused, args=(users_lock,), daemon=True).start()
        while True:
            with self._guard:
                if self._unused:
                    return 0
                self._server = self._start()
            code = self._server.wait()
            if code >= 0:  # The server was stopped or could not start: a restart would not help.
                return code
            time.sleep(RESTART_PAUSE_S)

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
        # released: a new user waits for its shared lock until this process has ended.
        fcntl.flock(os.open(users_lock, os.O_RDWR), fcntl.LOCK_EX)
        with self._guard:
            self._unused = True
            if self._server:
                self._server.send_signal(signal.SIGINT)  # PostgreSQL's "fast" shutdown


if __name__ == "__main__":
    users_lock_path, data_path, owner_ids, server_lock, *server_command = sys.argv[1:]
    sys.exit(Watchdog(server_command, data_path, owner_ids, int(server_lock)).run(users_lock_path))
