"""Checks that a server's port is free, before anything starts."""

import errno
import itertools
import socket
from collections.abc import Collection, Iterator
from typing import Literal, get_args

import msgspec

from api.config import Settings
from api.errors import SetupError

PortVariable = Literal[
    "API_PORT", "OPERATIONS_PORT", "WEB_PORT", "STAFF_PORT", "PSP_PORT", "MAILBOX_PORT", "MAILBOX_WEB_PORT"
]
_OF_LOOPBACK: Collection[PortVariable] = ("PSP_PORT", "MAILBOX_PORT", "MAILBOX_WEB_PORT")
"""Ports of servers that listen on 127.0.0.1 only."""


def check_ports(settings: Settings, variables: Collection[PortVariable]) -> None:
    """Refuse to start servers on ports that are equal or taken.

    Raises:
        SetupError: names the port, its variable and another port that is free.
    """
    ordered: list[PortVariable] = [variable for variable in get_args(PortVariable) if variable in variables]
    for first, second in itertools.combinations(ordered, 2):
        port = _port(settings, first)
        if port == _port(settings, second):
            used = {_port(settings, variable) for variable in ordered}
            other = next(candidate for candidate in _ports_after(port) if candidate not in used)
            raise SetupError(f"{first} and {second} are both {port}: choose another with {second}={other}.")
    for variable in ordered:
        check_port(settings, variable)


def check_port(settings: Settings, variable: PortVariable) -> None:
    """Refuse to start a server on a port that is taken.

    Raises:
        SetupError: names the port, its variable and another port that is free.
    """
    port = _port(settings, variable)
    # Browsers resolve `localhost` to ::1 first, so a program that listens there would receive our requests.
    hosts = ("127.0.0.1",) if variable in _OF_LOOPBACK else (settings.api_host, "::1")
    try:
        taken = not _is_free(port, hosts)
    except PermissionError:
        raise SetupError(
            f"Port {port} needs more rights than this user has: choose one above 1023 with {variable}."
        ) from None
    except OSError as error:
        raise SetupError(f"API_HOST={settings.api_host!r} is no address of this machine ({error.strerror}).") from error
    if taken:
        raise SetupError(
            f"Port {port} is taken: stop the program that uses it, or choose another with "
            f"{variable}={free_port(port, hosts)}."
        )


def choose_ports(settings: Settings) -> Settings:
    """Return settings with the ports of the mailbox and of the staff pages, which are free unless they were set before.

    So two systems on one machine need no setting for it.
    """
    used = {settings.api_port, settings.web_port, settings.psp_port, settings.operations_port}
    chosen: dict[str, int] = {}
    hosts = {"staff_port": (settings.api_host, "::1")}
    names = ("mailbox_port", "mailbox_web_port", "staff_port")
    for name, first in zip(names, (*settings.mailbox_ports, settings.staff_server_port), strict=True):
        is_set = bool(getattr(settings, name))
        candidates = itertools.chain((first,), _ports_after(first))
        chosen[name] = next(
            port
            for port in candidates
            if is_set or (port not in used and _is_free(port, hosts.get(name, ("127.0.0.1",))))
        )
        used.add(chosen[name])
    return msgspec.structs.replace(settings, **chosen)


def resolve(host: str) -> str:
    """Return the IP address of a host name, because the server listens on addresses only.

    Raises:
        OSError: the name has no address.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    # Some programs resolve a name to its IPv4 addresses only, so an IPv4 address comes first.
    *_, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return str(address[0])


def free_port(after: int, hosts: tuple[str, ...]) -> int:
    """Return the first port after `after` that is free on all of `hosts`."""
    return next(port for port in _ports_after(after) if _is_free(port, hosts))


def _port(settings: Settings, variable: PortVariable) -> int:
    if variable in ("MAILBOX_PORT", "MAILBOX_WEB_PORT"):
        return settings.mailbox_ports[variable == "MAILBOX_WEB_PORT"]
    if variable == "STAFF_PORT":
        return settings.staff_server_port
    port: int = getattr(settings, variable.lower())
    return port


def _ports_after(port: int) -> Iterator[int]:
    return itertools.chain(range(port + 1, 65_536), range(1024, port))


def _is_free(port: int, hosts: tuple[str, ...]) -> bool:
    for host in hosts:
        family, kind, protocol, _, address = socket.getaddrinfo(resolve(host), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # Servers set this option too: a port with connections in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
                if host != "::1":  # The machine may lack IPv6.
                    raise
    return True
