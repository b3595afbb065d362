"""Keeps the embedded PostgreSQL server running while someone uses it, and stops it after the last user.

`api.database.embedded` runs this file as a script, in its own session. It is a process of its own because users come,
go and crash in any order: whoever started the server may end first, and the last one may be killed. Only the
standard library is imported, so that it starts in milliseconds and needs no virtual environment.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

RESTART_PAUSE_S = 1.0
"""After a killed server: its orphaned backends must let go of the shared memory first."""


class Keeper:
    """One server process after another, until nobody uses it."""

    def __init__(self, command: list[str], data_dir: str, owner: str, life_fd: int) -> None:
        self._command = command
        self._data_dir = data_dir
        self._life_fd = life_fd
        uid, _, gid = owner.partition(":")
        self._uid = int(uid) if uid else None
        self._gid = int(gid) if gid else None
        self._guard = threading.Lock()
        self._unused = False
        self._server: subprocess.Popen[bytes] | None = None

    def run(self, users_lock: str) -> int:
        """Run the server to its end; a server that was killed is started again, which recovers the data."""
        threading.Thread(target=self._stop_when_unused, args=(users_lock,), daemon=True).start()
        while True:
            with self._guard:
                if self._unused:
                    return 0
                self._server = self._start()
            code = self._server.wait()
            if code >= 0:  # asked to stop, or unable to start: not for us to repeat
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
            # The server and its backends inherit the life lock: it is free once the last of them has ended.
            pass_fds=[self._life_fd],
        )

    def _stop_when_unused(self, users_lock: str) -> None:
        # Each user holds a shared lock, which its end releases however it ends. The descriptor is never
        # closed: a newcomer waits for its shared lock until this process has ended.
        fcntl.flock(os.open(users_lock, os.O_RDWR), fcntl.LOCK_EX)
        with self._guard:
            self._unused = True
            if self._server:
                self._server.send_signal(signal.SIGINT)  # PostgreSQL's "fast" shutdown


if __name__ == "__main__":
    users_lock_path, data_path, owner_ids, life_lock_fd, *server_command = sys.argv[1:]
    sys.exit(Keeper(server_command, data_path, owner_ids, int(life_lock_fd)).run(users_lock_path))
