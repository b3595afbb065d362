"""Listening sockets, and the connections that the limit of open files admits."""

import logging
import resource
import socket

_log = logging.getLogger(__name__)

BACKLOG = 4096
"""Connections that wait in the kernel's queue."""
CONNECTIONS_MIN = 10
"""The least number of connections that a server admits."""


def open_listener(address: str, port: int, *, write_timeout_ms: int) -> socket.socket:
    """Return a socket that listens on an IP address.

    The kernel closes a connection whose client accepts no part of a response for `write_timeout_ms`. Without this limit
    a client that never reads would occupy a connection indefinitely. Systems other than Linux have no such option.

    Raises:
        OSError: the address is not one of this machine, or the port is taken.
    """
    (family, kind, protocol, _, name), *_ = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, write_timeout_ms
            )  # Connections inherit it.
        listener.bind(name)
        listener.listen(BACKLOG)
        listener.settimeout(0)
    except OSError:
        listener.close()
        raise
    return listener


def possible_connections(wanted: int, *, other_files: int) -> int:
    """Raise this process's limit of open files as far as allowed; return the number of connections that it admits.

    Args:
        wanted: the number of connections that the settings allow.
        other_files: the number of open files that are no connections.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = wanted + other_files
    if soft != resource.RLIM_INFINITY and soft < files:
        soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= files:
        return wanted
    possible = max(CONNECTIONS_MIN, soft - other_files)
    _log.warning(
        "CONNECTIONS_MAX=%d and %d files for other purposes exceed the limit of %d open files: serving %d connections",
        wanted,
        other_files,
        soft,
        possible,
    )
    return possible
