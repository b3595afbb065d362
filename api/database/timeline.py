"""The fence against a former primary.

A promotion starts a new timeline. A primary that comes back after the promotion of its standby still accepts writes,
on the older timeline. The database cannot refuse them, so each process remembers the highest timeline of each
database cluster, in a file that outlives the process. A connection reaches a former primary through a URL with several
hosts, or through a proxy or a name that leads to it.
"""

import contextlib
import fcntl
import logging
import os
from pathlib import Path

import msgspec
import psycopg
from psycopg import conninfo

from api.data_dir import open_private, prepare

_log = logging.getLogger(__name__)

_FIRST_TIMELINE = 1
"""Timeline of a cluster without promotions."""

Address = tuple[str, int]
"""Host and port of a server."""


class Timelines:
    """The highest timeline of each database cluster, by the cluster's system identifier.

    Args:
        path: the file that all processes of this machine share.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._highest: dict[int, int] = {}
        self._read_at = 0
        """Time of the file's last change that this process has read, in nanoseconds; 0: none."""

    def is_current(self, cluster: int, timeline: int) -> bool:
        """Return True if no process of this machine has seen a higher timeline of a cluster."""
        self._reread()
        return timeline >= self._highest.get(cluster, 0)

    def _reread(self) -> None:
        """Learn the timelines that other processes have written since the last call."""
        # An error is temporary, because another process is writing, or `admit` logs it.
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            changed_at = self._path.stat().st_mtime_ns
            if changed_at != self._read_at:
                for cluster, timeline in msgspec.json.decode(self._path.read_bytes(), type=dict[int, int]).items():
                    self._highest[cluster] = max(timeline, self._highest.get(cluster, 0))
                # Only after a complete read: the rest of a write may leave the time of the last change as it is.
                self._read_at = changed_at

    def admit(self, cluster: int, timeline: int) -> None:
        """Remember a cluster's timeline.

        Raises:
            psycopg.OperationalError: a process has seen a higher timeline.
        """
        try:
            highest = self._exchange(cluster, timeline)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning("The timelines in %s cannot be used: %s", self._path, error)
            highest = timeline
        self._highest[cluster] = max(highest, self._highest.get(cluster, 0))
        if not self.is_current(cluster, timeline):
            raise psycopg.OperationalError(
                f"this server is a former primary: its timeline is {timeline}, the highest is {self._highest[cluster]}"
            )

    def _exchange(self, cluster: int, timeline: int) -> int:
        """Write a timeline to the file if it is the highest; return the highest."""
        if timeline == _FIRST_TIMELINE and not self._path.exists():
            return timeline  # No timeline is older, so a cluster without promotions needs no file.
        prepare(self._path.parent)
        with os.fdopen(open_private(self._path, os.O_RDWR), "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            known = msgspec.json.decode(file.read() or "{}", type=dict[str, int])
            highest = max(timeline, known.get(str(cluster), 0))
            if highest != known.get(str(cluster)):
                file.seek(0)
                file.write(msgspec.json.encode(known | {str(cluster): highest}).decode())
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
        return highest


class Hosts:
    """The hosts of a libpq URL, in the order in which a connection tries them."""

    def __init__(self, url: str) -> None:
        self._url = url
        parameters = conninfo.conninfo_to_dict(url)
        self._lists = {
            name: str(parameters[name]).split(",") for name in ("host", "hostaddr", "port") if parameters.get(name)
        }
        count = max((len(each) for each in self._lists.values()), default=1)
        if len(ports := self._lists.get("port", [])) == 1:
            self._lists["port"] = ports * count
        self._order = list(range(count))

    @property
    def several(self) -> bool:
        """Return True if the URL names more than one host."""
        return len(self._order) > 1

    def conninfo(self) -> str:
        """Return the connection string with the hosts in the present order."""
        if not self.several:
            return self._url
        ordered = {name: ",".join(values[index] for index in self._order) for name, values in self._lists.items()}
        return conninfo.make_conninfo(self._url, **ordered)

    def put_last(self, address: Address) -> None:
        """Try a host after all others from now on."""
        for index in list(self._order):
            if self.several and self._address(index) == address:
                self._order.remove(index)
                self._order.append(index)

    def _address(self, index: int) -> Address:
        names = self._lists.get("host") or self._lists["hostaddr"]
        port = self._lists["port"][index] if "port" in self._lists else ""
        return names[index], int(port or 5432)
